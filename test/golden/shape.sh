#!/bin/sh
# SPDX-License-Identifier: MIT
# What the lab makes of a snapshot, held against what it is known to make: shape.sh SHAPE FIXTURE GOLDEN
# With UPDATE=1 in the environment GOLDEN is written anew.
set -eu

got=$(mktemp)
trap 'rm "$got"' EXIT
python3 -B "$1" "$2" >"$got"
if [ "${UPDATE:-}" ]; then
	cp "$got" "$3"
else
	diff -u "$3" "$got"
fi
