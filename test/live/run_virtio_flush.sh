#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: minimal
# guest: small
# timeout: 300
# When the flush of a guest returns, its writes and a flush are on the disk below: the kernel's
# dm-log-writes logs both. One disk is a block device, the other one an image in a file system. A build
# of usher-vmm that makes no flush fails the same test.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"

modprobe -qa dm-log-writes loop || skip 'this kernel has no dm-log-writes'
export DM_DISABLE_UDEV=1

# logged NAME: a device-mapper device of that name over a loop device, with a log on another one.
logged() {
	truncate -s 8M "$work/$1.data"
	truncate -s 32M "$work/$1.log"
	data=$(losetup -f --show "$work/$1.data") || fail 'no loop device'
	log=$(losetup -f --show "$work/$1.log") || fail 'no loop device'
	at_exit "dmsetup remove $1 2>/dev/null; losetup -d $data; losetup -d $log"
	echo "0 $(blockdev --getsz "$data") log-writes $data $log" | dmsetup create "$1" || fail "no $1"
	echo "$log" >"$work/$1.device"
}

guest_script <<'END'
wait_for /dev/vda
wait_for /dev/vdb
echo 'guest: ready'
for n in 1 2 3 4 5 6; do
	read word
	yes "write $n." | head -c 65536 >/pattern
	for disk in vda vdb; do
		case $n in
		[135]) dd if=/pattern of=/dev/$disk bs=4k count=1 seek=$((n * 16)) oflag=direct conv=fsync ;;
		*) dd if=/pattern of=/dev/$disk bs=4k seek=$((n * 16)) conv=fsync ;;
		esac 2>/dev/null && echo "guest: flushed $n $disk"
	done
done
read word
END

# flush_rounds NAME: a guest flushes again and again, with a mark in the logs after each time.
flush_rounds() {
	logged "$1block"
	logged "$1file"
	mkfs.ext4 -q "/dev/mapper/$1file"
	mkdir "$work/$1"
	mount "/dev/mapper/$1file" "$work/$1" || fail 'no mount'
	at_exit "umount $work/$1 2>/dev/null"
	dd if=/dev/zero of="$work/$1/image" bs=1M count=4 conv=fsync 2>/dev/null
	open_guest --name "$1" --disk "/dev/mapper/$1block" --disk "$work/$1/image"
	wait_for_guest '^guest: ready'
	for n in 1 2 3 4 5 6; do
		echo on >&8
		for disk in vda vdb; do wait_for_guest "^guest: flushed $n $disk"; done
		for device in block file; do dmsetup message "$1$device" 0 mark "flushed-$n"; done
	done
	echo on >&8
	wait_for_guest '^usher ended'
	umount "$work/$1"
	for device in block file; do dmsetup remove "$1$device" || fail "$1$device is busy"; done
}

judge() { # NAME
	python3 -B "${0%/*}/log_writes.py" "$(cat "$work/$1.device")"
}

flush_rounds ours
for device in block file; do
	expect_ok judge "ours$device"
	expect_text '6 rounds, 0 not on the disk'
done

# The same with a planted bug. A file system flushes by itself, but not every time.
export USHER_VMM="$top/build/test/live/vmm_no_flush"
flush_rounds planted
for device in block file; do
	expect_status 1 judge "planted$device"
	expect_text 'not on the disk'
done
expect_status 1 judge plantedblock
expect_text '6 rounds, 6 not on the disk'
