#!/bin/sh
# SPDX-License-Identifier: MIT
# The first command in README.md: its last line, and its exit status.
set -eu

top=$(cd "${0%/*}/../.." && pwd)
out=$(mktemp)
trap 'rm -f "$out"' EXIT
status=0
"$top/dev" demo >"$out" 2>&1 || status=$?
last=$(tail -n 1 "$out")
case $status:$last in
'0:verdict: the same bytes'*) exit 0 ;;
esac
echo "FAILED: exit status $status, and the last line is '$last'"
cat "$out"
exit 1
