#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: cards
# timeout: 600
# A guest without an operating system writes random values to every register of its devices, reads
# them, and reboots in the middle (test/guest/hostile.c). It must end when it wants to, must find
# all its devices after each reboot, and must not fill the log. All devices return afterwards.
# USHER_SEED=N repeats a seed; USHER_SEED=any takes a new one. The default is a few known seeds,
# because the emulated host around it has bugs of its own.
. "${0%/*}/lib.sh"

hostile=$top/build/test/guest/hostile
devices=
for id in 8086:10d3 1234:11e8 1b36:000d 1000:0079 10ec:8139 1234:1111 1b36:0010; do
	device=$(address_of $id) || fail "no device $id"
	devices="$devices --device $device"
done
all_drivers >"$work/before"

[ "${USHER_SEED:-}" != any ] || USHER_SEED=$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')
boots=4
for seed in ${USHER_SEED:-1 2}; do
	echo "seed $seed"
	# shellcheck disable=SC2086 # these are several words
	timeout 250 usher run --name hostile --kernel "$hostile" --memory 32M --timing --allow=gpu \
		--cmdline "seed=$seed ops=${USHER_OPS:-750} boots=$boots" $devices >"$work/out" 2>"$work/err" </dev/null
	status=$?
	command="usher run, seed $seed"
	[ $status -eq 0 ] || fail_with_output "exit status $status, seed $seed"
	# Seven functions, random numbers and their root ports, the same ones after each reboot.
	found=$(grep -c "hostile: seed $seed, boot [1-$boots], functions 1[67]" "$work/out")
	[ "$found" = $boots ] || fail_with_output "not all are found, seed $seed"
	expect_equal 'kinds of boots' 1 "$(sed -n 's/^hostile: seed .* functions //p' "$work/out" | sort -u | wc -l)"
	expect_text 'hostile: done'
	lines=$(cat "$work/out" "$work/err" | wc -l)
	[ "$lines" -lt 300 ] || fail_with_output "$lines lines said, seed $seed"
	grep -h '^timing: \(exits\|run_ms\|[a-z]*\.\)' "$work/out" "$work/err"
	all_drivers >"$work/after"
	cmp -s "$work/before" "$work/after" || fail "seed $seed: $(diff "$work/before" "$work/after")"
done

# The returned devices still work on the host.
block=$(block_of "$(nvme_address)") || fail 'the disk has not come back'
wait_until 30 test -b "/dev/$block"
expect_ok dd if="/dev/$block" of=/dev/null bs=1M count=8 iflag=direct
