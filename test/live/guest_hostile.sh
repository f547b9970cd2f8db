#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: cards
# timeout: 600
# A guest without an operating system that writes random values wherever a device can be written to
# (test/guest/hostile.c). It must end when it wants to, must not fill the log, and all its devices
# come back. USHER_SEED=N does again what that seed did.
. "${0%/*}/lib.sh"

hostile=$top/build/test/guest/hostile
devices=
for id in 8086:10d3 1234:11e8 1b36:000d 1000:0079 10ec:8139 1234:1111 1b36:0010; do
	device=$(address_of $id) || fail "no device $id"
	devices="$devices --device $device"
done
all_drivers >"$work/before"

for seed in ${USHER_SEED:-1 2}; do
	# shellcheck disable=SC2086 # these are several words
	timeout 250 usher run --name hostile --kernel "$hostile" --memory 32M --timing \
		--cmdline "seed=$seed ops=${USHER_OPS:-3000}" $devices >"$work/out" 2>"$work/err" </dev/null
	status=$?
	command="usher run, seed $seed"
	[ $status -eq 0 ] || fail_with_output "exit status $status, seed $seed"
	grep -q "hostile: seed $seed, functions 1[45]" "$work/out" || fail_with_output 'not all are found'
	expect_text 'hostile: done'
	lines=$(cat "$work/out" "$work/err" | wc -l)
	[ "$lines" -lt 300 ] || fail_with_output "$lines lines said, seed $seed"
	grep -h '^timing: \(exits\|run_ms\|[a-z]*\.\)' "$work/out" "$work/err"
	all_drivers >"$work/after"
	cmp -s "$work/before" "$work/after" || fail "seed $seed: $(diff "$work/before" "$work/after")"
done

# What was lent still works on the host.
block=$(block_of "$(nvme_address)") || fail 'the disk has not come back'
wait_until 30 test -b "/dev/$block"
expect_ok dd if="/dev/$block" of=/dev/null bs=1M count=8 iflag=direct
