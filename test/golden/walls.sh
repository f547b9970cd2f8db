#!/bin/sh
# SPDX-License-Identifier: MIT
# The system calls that each kind of usher-vmm's threads may make, held against the list of them.
# UPDATE=1 writes the list anew: each line more is a call more for a guest that took over the VMM.
#
#   walls.sh MARKS.PY SOURCES GOLDEN
set -eu

got=$(mktemp)
trap 'rm "$got"' EXIT
python3 -B "$1" --list "$2" >"$got"
# A processor runs what the guest says all the time, and gets along with few calls.
calls=$(sed -n 's/^vcpu: \([0-9]*\) calls$/\1/p' "$got")
if [ "${calls:-99}" -gt 12 ]; then
	echo "a processor may make ${calls:-?} calls, and 12 are the limit: leave the rest to a worker" >&2
	exit 1
fi
if [ "${UPDATE:-}" ]; then
	cp "$got" "$3"
elif ! diff -u "$3" "$got"; then
	echo "$3 is not what the marks in $2 say; UPDATE=1 meson test walls writes it anew" >&2
	exit 1
fi
