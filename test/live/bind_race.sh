#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: desktop
# Two processes bind one group: one succeeds, the other is refused. A lease has one owner. And a
# mount races with a bind: one of them gets the disk, never both.
# timeout: 200
. "${0%/*}/lib.sh"

old=$(e1000_address)
edu=$(edu_address)
group=$(group_of "$edu")

for round in 1 2 3 4 5; do
	usher bind "$edu" >"$work/first" 2>&1 &
	first=$!
	usher bind "$old" >"$work/second" 2>&1 &
	second=$!
	wait $first || fail "round $round: the first: $(cat "$work/first")"
	wait $second || fail "round $round: the second: $(cat "$work/second")"
	expect_equal "how many took $old" 1 \
		"$(cat "$work/first" "$work/second" | grep -c "$old: e1000 -> vfio-pci")"
	expect_equal "how many found it" 1 \
		"$(cat "$work/first" "$work/second" | grep -c "$old: is on vfio-pci already")"
	usher release "$edu" >"$work/first" 2>&1 &
	first=$!
	usher bind "$old" >"$work/second" 2>&1
	wait $first || fail "round $round: release: $(cat "$work/first")"
	expect_ok usher restore --all
	expect_driver "$old" e1000
	expect_driver "$edu" none
done

# Another process keeps the lock: usher names it, and waits for a moment only.
mkdir -p /run/usher/lock
exec 8>"/run/usher/lock/$group"
flock 8
echo $$ >&8
expect_status 1 usher bind "$edu"
expect_text "another usher (process $$) works on it"
exec 8>&-
expect_ok usher bind "$edu"
expect_ok usher release "$edu"

# A disk is held from the gate's look to the unbind: a mount in between is refused. usher stops after
# its first change, the journal, and after the second, the override.
disk=$(nvme_address)
name=$(block_of "$disk")
mkdir "$work/mnt"
mkfs.ext4 -qF "/dev/$name"
at_exit "umount $work/mnt 2>/dev/null; wipefs -qa /dev/$name"
is_stopped() { grep -q '^State:.T' "/proc/$first/status"; }
for change in 1 2; do
	USHER_BIND_STOP=$change usher bind "$disk" >"$work/first" 2>&1 &
	first=$!
	wait_until 20 is_stopped
	expect_driver "$disk" nvme
	! mount "/dev/$name" "$work/mnt" 2>"$work/err" || fail "mounted between the look and the unbind"
	grep -qi 'busy' "$work/err" || fail "the mount: $(cat "$work/err")"
	kill -CONT $first
	wait $first || fail "the bind: $(cat "$work/first")"
	expect_driver "$disk" vfio-pci
	expect_ok usher release "$disk"
	wait_until 20 test -b "/dev/$name"
done

# Without a stop: whoever is first.
for round in 1 2 3 4 5; do
	usher bind "$disk" >"$work/first" 2>&1 &
	first=$!
	mounted=
	while [ -e "/proc/$first/exe" ] && [ ! "$mounted" ]; do
		! mount "/dev/$name" "$work/mnt" 2>/dev/null || mounted=yes
	done
	wait $first
	status=$?
	if [ "$mounted" ]; then
		expect_equal "round $round: status of the bind, with the disk mounted" 3 $status
		expect_driver "$disk" nvme
		umount "$work/mnt"
	else
		expect_equal "round $round: status of the bind" 0 $status
		expect_driver "$disk" vfio-pci
		expect_ok usher release "$disk"
		wait_until 20 test -b "/dev/$name"
	fi
done
