#!/bin/sh
# SPDX-License-Identifier: MIT
# examples.sh EDU_FACTORIAL NVME_READ: the examples on models, as in README.md.
set -eu
. "${0%/*}/../fail.sh"

factorial=$1 read=$2
out=$(mktemp)
trap 'rm -f "$out"' EXIT
shown=$out

# gives DEVICE STATUS TEXT COMMAND…: the command's exit status and text on that device.
gives() {
	device=$1 expected=$2 text=$3
	shift 3
	status=0
	USHER_DEVICE=$device "$@" >"$out" 2>&1 || status=$?
	[ $status -eq "$expected" ] || fail "$* on '$device': exit status $status, not $expected"
	grep -qF -e "$text" "$out" || fail "$* on '$device' does not say '$text'"
}

gives any=model:edu 0 '10! = 3628800 (modulo 2^32)' "$factorial" 10
gives any=model:edu 0 '13! = 1932053504 (modulo 2^32)' "$factorial" 13
gives any=model:edu,fault=timeout 1 'the device does not answer' "$factorial" 10
gives '' 1 'no device was handed to this program' "$factorial" 10
gives '' 1 'usher exec --device' "$factorial" 10
gives any=model:nvme 1 'no block 8192 of 8192' "$read" 8190 3
gives any=model:nvme,fault=status 1 'unrecovered read error' "$read" 0 8
gives any=model:nvme,fault=vanish 1 'the controller is gone' "$read" 0 8
gives any=model:edu 1 'is not that of an NVMe controller' "$read" 0 8

for blocks in 1 8 2000 8192; do
	size=$(USHER_DEVICE=any=model:nvme,shadow "$read" 0 $blocks | wc -c)
	[ "$size" -eq $((blocks * 512)) ] || fail "$blocks blocks are $size bytes"
done
