#!/bin/sh
# SPDX-License-Identifier: MIT
# A boot that hangs (its first program only sleeps) ends in time, and the lab reports it with the end of
# the console.
set -eu
. "${0%/*}/../fail.sh"

top=$(cd "${0%/*}/../.." && pwd)
out=$(mktemp)
trap 'rm -f "$out"' EXIT
shown=$out

status=0
"$top/dev" lab --boot-timeout 10 --argument 'ignore_loglevel rdinit=/bin/sleep -- 1000' -- true \
	>"$out" 2>&1 || status=$?
log=$(sed -n 's/^lab: all of it: //p' "$out")
[ $status -eq 125 ] || fail "exit status $status, not 125"
grep -qF 'lab: the emulated host did not come up within 10 s; the end of its console:' "$out" ||
	fail 'does not say what went wrong'
grep -q '^  \[ *[0-9]*\.[0-9]*\]' "$out" || fail 'does not show the console'
[ -s "$log" ] || fail 'has not kept the console'
rm -r "${log%/*}"
