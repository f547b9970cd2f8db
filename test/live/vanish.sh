#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: slots
# timeout: 400
# A device vanishes at a random moment of each verb that changes it: removed from sysfs, or with its
# slot switched off. The verb ends, nothing of it stays in the journal, and when the device is back
# it is as it was. ROUNDS=70 SEED=7 repeats a long run.
. "${0%/*}/lib.sh"

rounds=${ROUNDS:-8}
seed=${SEED:-$(date +%s)}
echo "seed $seed, $rounds rounds"
disk=$(nvme_address)
port=$(basename "$(dirname "$(readlink -f "$pci/$disk")")")
for slot in /sys/bus/pci/slots/*; do
	[ "$(cat "$slot/address")" != "${disk%.*}" ] || break
done

# random N: below N, from 0.
random() {
	seed=$(((seed * 1103515245 + 12345) % 2147483648))
	drawn=$((seed / 65536 % $1))
}

# Conditions for wait_until.
gone() { [ ! -e "$pci/$disk" ]; }
ended() { ! kill -0 "$1" 2>/dev/null; }

vanish() {
	case $1 in
	remove) echo 1 >"$pci/$disk/remove" ;;
	power) echo 0 >"$slot/power" ;;
	esac 2>/dev/null >"$work/vanished"
}

# The device is back on the driver of the host, however it went.
bring_back() {
	if [ "$1" != remove ]; then
		wait_until 20 qmp_forgot nvme
		qmp device_add '{"driver": "nvme", "id": "nvme", "bus": "port1",
			"serial": "lab-disk", "drive": "disk"}' >/dev/null || fail 'device_add'
	fi
	expect_ok usher revive "$disk"
	wait_until 20 has_driver "$disk" nvme
}

n=0
while [ $n -lt "$rounds" ]; do
	n=$((n + 1))
	random 7
	case $drawn in
	0) verb="bind $disk" ;;
	1) verb="release $disk" ;;
	2) verb="exec --device $disk -- sleep 1" ;;
	3) verb="prove $disk" ;;
	4) verb="revive $disk" ;;
	5) verb="bind --dry-run $disk" ;;
	6) verb="restore --all" ;;
	esac
	case $drawn in 1 | 6) expect_ok usher bind "$disk" ;; esac
	random 2
	[ "$drawn" = 0 ] && way=remove || way=power
	random 60
	delay=0.$(printf %02d $drawn)

	# shellcheck disable=SC2086 # they are words
	usher $verb >"$work/out" 2>"$work/err" </dev/null &
	usher_=$!
	command="round $n: usher $verb, $way after $delay s"
	sleep "$delay"
	vanish $way &
	vanish_=$!
	until_=$(($(seconds_up) + 60))
	until ended $usher_ && ended $vanish_; do
		[ "$(seconds_up)" -lt $until_ ] || fail_with_output "hangs: $(cat /proc/$usher_/stack)"
		sleep 0.1
	done
	wait $usher_
	status=$?
	echo "$command: status $status"
	case $status in 0 | 1 | 3 | 125) ;; *) fail_with_output "ended with $status" ;; esac
	wait_until 30 gone
	# What is left of the device is its lease, if a bind was through before.
	usher release "$disk" >"$work/out2" 2>&1
	usher restore --all >>"$work/out2" 2>&1
	left=$(ls /run/usher/journal /run/usher/vfs /run/usher/revive 2>/dev/null | grep -v :)
	[ -z "$left" ] || { cat "$work/out2"; fail_with_output "in the journal: $left"; }
	bring_back $way
	expect_override "$disk" none
done
