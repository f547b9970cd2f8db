#!/bin/sh
# SPDX-License-Identifier: MIT
# Every way in which a host uses a disk is seen, and is not seen any more once it has ended.
# topology: minimal
. "${0%/*}/lib.sh"

disk=$(nvme_address)
name=$(block_of "$disk")

is_free() {
	expect_ok usher list -n --json "$disk"
	expect_text '"state": "free"'
}

is_busy() {
	expect_ok usher list -n --json "$disk"
	expect_text '"state": "busy"'
	expect_text "\"object\": \"$2\""
	expect_text "$1"
	expect_status 3 usher bind --dry-run "$disk"
	expect_text '[block]'
}

at_exit "wipefs -qa /dev/$name; blockdev --rereadpt /dev/$name"
is_free

# A partition that is mounted.
# An MBR by hand, for not every machine has an fdisk: type 83, 16 MiB from sectors 0x800 and 0x8800.
{
	head -c 446 /dev/zero
	printf '\0\0\0\0\203\0\0\0\000\010\0\0\000\200\0\0'
	printf '\0\0\0\0\203\0\0\0\000\210\0\0\000\200\0\0'
	head -c 32 /dev/zero
	printf '\125\252'
} | dd of="/dev/$name" bs=512 count=1 iflag=fullblock conv=fsync 2>/dev/null
blockdev --rereadpt "/dev/$name" || fail "no partitions"
wait_until 5 test -e "/dev/${name}p2"
is_free
mkfs.ext4 -q "/dev/${name}p1"
mkdir "$work/mnt" "$work/mnt2"
mount "/dev/${name}p1" "$work/mnt" || fail "no mount"
at_exit "umount $work/mnt 2>/dev/null"
is_busy "mounted at $work/mnt" "${name}p1"
expect_no_text 'cannot be told'
umount "$work/mnt"
is_free

# Mounted where the host needs it: nothing lifts that.
mkdir -p /boot/efi
mount "/dev/${name}p1" /boot/efi || fail "no mount at /boot/efi"
at_exit "umount /boot/efi 2>/dev/null"
is_busy 'mounted at /boot/efi' "${name}p1"
expect_status 3 usher bind --dry-run --allow=block "$disk"
umount /boot/efi

# Swap space.
mkswap -q "/dev/${name}p2"
swapon "/dev/${name}p2" || fail "no swap"
at_exit "swapoff /dev/${name}p2 2>/dev/null"
is_busy 'swap space' "${name}p2"
swapoff "/dev/${name}p2"
is_free

# A volume on it, and what is mounted from that.
modprobe -q dm-mod
if command -v dmsetup >/dev/null && [ -e /sys/class/misc/device-mapper ]; then
	size=$(blockdev --getsz "/dev/${name}p1")
	DM_DISABLE_UDEV=1 dmsetup create usher-test --table "0 $size linear /dev/${name}p1 0" ||
		fail "no volume"
	at_exit "DM_DISABLE_UDEV=1 dmsetup remove usher-test 2>/dev/null"
	is_busy '(usher-test)' "${name}p1"
	mount /dev/mapper/usher-test "$work/mnt2" || fail "no mount of the volume"
	at_exit "umount $work/mnt2 2>/dev/null"
	is_busy "(usher-test), mounted at $work/mnt2" "${name}p1"
	umount "$work/mnt2"
	DM_DISABLE_UDEV=1 dmsetup remove usher-test
	is_free
fi

# A process that reads the raw disk.
sleep 30 <"/dev/$name" &
reader=$!
at_exit "kill $reader 2>/dev/null"
wait_until 5 sh -c "ls -l /proc/$reader/fd | grep -q /dev/$name"
expect_ok usher list -n --json "$disk"
expect_text "open in sleep (pid $reader, root)"
kill $reader
wait $reader
is_free
