#!/bin/sh
# SPDX-License-Identifier: MIT
# ./dev lab ends with the command's exit status and prints its output.
set -eu

top=$(cd "${0%/*}/../.." && pwd)
status=0
out=$("$top/dev" lab -- sh -c 'echo so; exit 7' 2>/dev/null) || status=$?
[ "$status:$out" = 7:so ] || { echo "FAILED: exit status $status, not 7; '$out', not 'so'"; exit 1; }
