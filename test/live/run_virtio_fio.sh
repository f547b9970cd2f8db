#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: minimal
# guest: small
# program: fio
# timeout: 300
# fio writes to a raw image and to a block device, one request at a time and 32, and reads back what
# it wrote. It discards, too. The image has several queues, and usher-vmm polls the block device. All of it
# by split rings, and by packed ones.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"

fio=$(dirname "$(cat /run/lab/initrd)")/program-fio.ext4
block=$(block_of "$(nvme_address)")
truncate -s 32M "$work/image"

cat >"$work/jobs" <<'END'
[global]
ioengine=libaio
direct=1
io_size=1m
size=16m
rw=randwrite
bsrange=512-32k
blockalign=512
verify=crc32c
verify_fatal=1
verify_state_save=0
randrepeat=1
[image-1]
filename=/dev/vda
iodepth=1
[image-32]
stonewall
filename=/dev/vda
iodepth=32
[image-discard]
stonewall
filename=/dev/vda
rw=trimwrite
offset=16m
bs=16k
iodepth=32
[block-1]
stonewall
filename=/dev/vdb
iodepth=1
[block-32]
stonewall
filename=/dev/vdb
iodepth=32
[block-discard]
stonewall
filename=/dev/vdb
rw=randtrim
verify=0
offset=16m
bs=64k
iodepth=32
END

guest_script "$work/jobs" "$top/build/test/live/fio_memory.so" <<'END'
for disk in vda vdb vdc; do wait_for /dev/$disk; done
mkdir /fio
mount -t ext4 -o ro /dev/vdc /fio || echo 'guest: no fio'
cd /
/fio/lib/ld-linux-x86-64.so.2 --preload /fio_memory.so --library-path /fio/lib /fio/fio --minimal /jobs
echo "guest: fio ended with status $?"
echo "guest: queues $(ls /sys/block/vda/mq | wc -l) $(ls /sys/block/vdb/mq | wc -l)"
echo "guest: packed $(cut -c35 /sys/block/vda/device/features) $(cut -c35 /sys/block/vdb/device/features)"
END
for rings in split packed; do
	open_guest --name fio --cpus 2 --rings $rings --disk "$work/image,queues=2" --disk "/dev/$block,poll=on" \
		--disk "$fio,ro"
	wait_for_guest '^usher ended'
	cat "$console"
	expect_guest '^guest: fio ended with status 0'
	expect_guest '^guest: queues 2 1'
	case $rings in
	split) expect_guest '^guest: packed 0 0' ;;
	packed) expect_guest '^guest: packed 1 1' ;;
	esac
done
