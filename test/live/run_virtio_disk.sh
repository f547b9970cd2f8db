#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: minimal
# guest: small
# timeout: 240
# A guest has three virtio disks: an image, an image that it may only read, and a block device of the
# host. It reads, writes, flushes, discards and zeroes. Meanwhile nobody else gets the disks, and a
# disk that the host uses is refused. It reboots while it reads from a slow disk. A disk grows, and
# disks fail: the host is full, an image is cut off, a device is gone.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"

block=$(block_of "$(nvme_address)")
dd if=/dev/urandom of="$work/image" bs=1M count=16 2>/dev/null
cp "$work/image" "$work/expected"
dd if=/dev/urandom of="$work/readonly" bs=512 count=4097 2>/dev/null
truncate -s 12k "$work/twelve"

# A slow disk, whose table is changed later, and an image that does not fit into its file system.
modprobe -qa loop dm-mod dm-delay
export DM_DISABLE_UDEV=1
truncate -s 8M "$work/below"
below=$(losetup -f --show "$work/below") || fail 'no loop device'
sectors=$(blockdev --getsz "$below")
at_exit "dmsetup remove slow 2>/dev/null; losetup -d $below 2>/dev/null"
echo "0 $sectors delay $below 0 700" | dmsetup create slow || fail 'no slow disk'
mkdir "$work/small"
mount -t tmpfs -o size=1M small "$work/small"
at_exit "umount $work/small"
truncate -s 8M "$work/small/image"

guest_script <<'END'
for disk in vda vdb vdc vdd vde; do wait_for /dev/$disk; done
for disk in vda vdb; do
	echo "guest: $disk $(cat /sys/block/$disk/size) sectors $(sha256sum </dev/$disk)"
done
echo "guest: vdc $(dd if=/dev/vdc bs=64k count=128 iflag=direct 2>/dev/null | sha256sum)"
echo "guest: serial $(cat /sys/block/vda/serial), read-only $(cat /sys/block/vdb/ro)"
echo "guest: cache $(cat /sys/block/vda/queue/write_cache)"
! dd if=/dev/zero of=/dev/vdb bs=512 count=1 oflag=direct 2>/dev/null && echo 'guest: vdb is not written'
# Whole pages by the cache, one sector by direct I/O, and then what is no multiple of a page.
dd if=/dev/vdc of=/dev/vda bs=64k count=32 seek=16 conv=fsync 2>/dev/null && echo 'guest: written'
dd if=/dev/vdc of=/dev/vda bs=512 count=3 seek=5 oflag=direct 2>/dev/null && echo 'guest: sectors written'
blkdiscard -o 8388608 -l 1048576 /dev/vda && echo 'guest: discarded'
blkdiscard -z -o 10485760 -l 1048576 /dev/vda 2>/dev/null || dd if=/dev/zero of=/dev/vda bs=1M seek=10 count=1 conv=fsync 2>/dev/null
sync
echo 3 >/proc/sys/vm/drop_caches
echo "guest: now $(sha256sum </dev/vda)"
echo 'guest: ready'
read word
if [ "$word" = reboot ]; then
	for n in 1 2 3 4; do dd if=/dev/vdd of=/dev/null bs=64k skip=$n iflag=direct 2>/dev/null & done
	sleep 0.3
	reboot -f
fi
for sectors in 40960 49152; do
	until [ "$(cat /sys/block/vda/size)" = $sectors ]; do sleep 0.05; done
	dd if=/dev/vda of=/dev/null bs=512 count=1 skip=$((sectors - 1)) iflag=direct 2>/dev/null &&
		echo "guest: vda has $sectors sectors"
done
# A few of these writes succeed.
dd if=/dev/vdc of=/dev/vde bs=64k count=64 oflag=direct 2>/dev/null || echo 'guest: vde is full'
for n in 1 2 3; do dd if=/dev/vdc of=/dev/vde bs=64k count=1 seek=$((100 + n)) oflag=direct 2>/dev/null; done
read word
dd if=/dev/vdd of=/dev/null bs=4k count=1 iflag=direct 2>/dev/null || echo 'guest: vdd is gone'
dd if=/dev/vda of=/dev/null bs=1M skip=4 iflag=direct 2>/dev/null || echo 'guest: vda is cut off'
dd if=/dev/vda of=/dev/null bs=1M count=1 iflag=direct 2>/dev/null && echo 'guest: the rest is there'
read word
poweroff -f
END
open_guest --name disks --disk "$work/image,serial=a serial number" --disk "$work/readonly,ro" \
	--disk "/dev/$block" --disk /dev/mapper/slow --disk "$work/small/image"
wait_for_guest '^guest: ready'

dd if="/dev/$block" of="$work/expected" bs=64k count=32 seek=16 conv=notrunc 2>/dev/null
dd if="/dev/$block" of="$work/expected" bs=512 count=3 seek=5 conv=notrunc 2>/dev/null
for m in 8 10; do dd if=/dev/zero of="$work/expected" bs=1M count=1 seek=$m conv=notrunc 2>/dev/null; done
expect_guest "^guest: vda 32768 sectors"
expect_guest "^guest: vdb 4097 sectors $(sha256sum <"$work/readonly")"
expect_guest "^guest: vdc $(disk_checksum "$block")"
expect_guest '^guest: serial a serial number, read-only 1'
expect_guest '^guest: cache write back'
for what in 'vdb is not written' written 'sectors written' discarded; do expect_guest "^guest: $what"; done
expect_guest "^guest: now $(sha256sum <"$work/expected")"
cmp "$work/image" "$work/expected" || fail 'the image is not what the guest wrote'

# A thread with an io_uring serves each of them, behind the walls.
[ "$(cat "/proc/$(vmm_pid)/task/"*/comm | grep -cx virtio-blk)" = 5 ] || fail 'no io_uring serves the disks'

# Others do not get them.
second() { usher run --plan --kernel "$kernel" --disk "$1"; }
expect_status 2 second "$work/image"
expect_text "another guest uses '$work/image'"
expect_status 2 second "$work/image,ro"
expect_text "another guest uses '$work/image', and may write to it"
expect_ok second "$work/readonly,ro"
expect_status 2 second "$work/readonly"
expect_status 2 second "/dev/$block"
expect_text "the host uses '/dev/$block'"
expect_status 2 second "$work/nothing"
expect_status 2 second "$work"
expect_text 'neither a regular file nor a block device'
expect_status 2 usher run --plan --kernel "$kernel" --disk "$work/twelve" --disk "$work/twelve"
truncate -s 1000 "$work/odd"
expect_status 2 second "$work/odd"
expect_text "has 1000 bytes, and a disk has a multiple of 512"

# After a reboot the guest has them again. The kernel still moved data when it rebooted.
echo reboot >&8
wait_for_times 2 '^guest: ready'
[ "$(grep -c "^guest: now $(sha256sum <"$work/expected")" "$console")" = 2 ] ||
	{ cat "$console"; fail 'the disks are not the same after a reboot'; }

# A disk grows, by somebody else and by usher, and never shrinks.
echo on >&8
truncate -s 20M "$work/image"
expect_ok usher control disks resize "$work/image"
expect_text "disk '$work/image' has 20971520 bytes"
wait_for_guest '^guest: vda has 40960 sectors'
expect_ok usher control disks resize 'a serial number' 24M
wait_for_guest '^guest: vda has 49152 sectors'
expect_equal 'size of the image' 25165824 "$(stat -c %s "$work/image")"
expect_status 1 usher control disks resize "$work/image" 1M
expect_text 'is larger than 1048576 bytes'
expect_status 1 usher control disks resize "/dev/$block" 1G
expect_text 'does not grow by a size'
expect_status 1 usher control disks resize "$work/nothing"
expect_text "has no disk '$work/nothing'"

# The host is full: the guest hears of each write, the log once.
wait_for_guest '^guest: vde is full'
expect_equal 'reports of a full host' 1 \
	"$(grep -c "write to '$work/small/image': No space left on device" "$console")"

# A device is gone, and an image is cut off.
dmsetup suspend slow && echo "0 $sectors error" | dmsetup load slow && dmsetup resume slow || fail 'no error'
truncate -s 2M "$work/image"
echo on >&8
for what in 'vdd is gone' 'vda is cut off' 'the rest is there'; do wait_for_guest "^guest: $what"; done
echo on >&8
wait_for_guest '^usher ended: 0'

# What the host uses is not given away: an image below a loop device, and that, when it is mounted.
modprobe -q loop
truncate -s 8M "$work/twelve"
mkfs.ext4 -q "$work/twelve"
loop=$(losetup -f --show "$work/twelve") || fail 'no loop device'
at_exit "umount $work/mnt 2>/dev/null; losetup -d $loop 2>/dev/null"
expect_status 2 second "$work/twelve"
expect_text "it is below ${loop#/dev/}"
expect_ok second "$loop"
mkdir "$work/mnt"
mount "$loop" "$work/mnt" || fail 'no mount'
expect_status 2 second "$loop"
expect_text "the host uses '$loop': ${loop#/dev/}: mounted at $work/mnt"
# Swap space is the memory of the host's processes.
dd if=/dev/zero of="$work/mnt/swap space" bs=1M count=2 2>/dev/null
chmod 600 "$work/mnt/swap space"
mkswap -q "$work/mnt/swap space"
swapon "$work/mnt/swap space" || fail 'no swap file'
at_exit "swapoff '$work/mnt/swap space' 2>/dev/null"
expect_status 2 second "$work/mnt/swap space,ro"
expect_text 'it is swap space'
swapoff "$work/mnt/swap space"
expect_ok second "$work/mnt/swap space,ro"
umount "$work/mnt"
losetup -d "$loop"
loop_is_gone() { [ ! -e "/sys/block/${loop#/dev/}/loop" ]; }
wait_until 60 loop_is_gone
expect_ok second "$work/twelve"
# The name by which a loop device came to the image is gone.
ln "$work/twelve" "$work/dozen"
loop=$(losetup -f --show "$work/dozen") || fail 'no loop device'
rm "$work/dozen"
expect_status 2 second "$work/twelve"
expect_text "it is below ${loop#/dev/}"
losetup -d "$loop"
wait_until 60 loop_is_gone
