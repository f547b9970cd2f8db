#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: minimal
# guest: small
# timeout: 300
# QEMU's virtio devices, by the same words as usher-vmm's: an image with a backing file, which QEMU reads
# by descriptors, a shared folder, a socket of the kernel, a balloon, packed rings. A header that names a
# file elsewhere is refused, as is a socket that QEMU has not.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"

talk=$top/build/test/live/vsock_talk
modprobe vhost_vsock 2>/dev/null
wait_until 10 test -e /dev/vhost-vsock

cd "$work" || exit 1
{ echo before; head -c 8M /dev/zero; } >base.raw
truncate -s 8M base.raw
qemu-img create -q -f qcow2 -b base.raw -F raw over.qcow2 || fail 'no overlay'
chmod 600 base.raw over.qcow2
mkdir data
echo 'of the host' >data/host

guest_script "$talk" <<'END'
wait_for /dev/vda
echo "guest: vda $(head -n 1 /dev/vda)"
echo after | dd of=/dev/vda conv=notrunc,fsync 2>/dev/null
mkdir /data
mount -t virtiofs data /data && echo "guest: reads $(cat /data/host)"
echo 'of the guest' >/data/guest
for device in /sys/bus/virtio/devices/*; do
	# The 34th: a packed ring.
	echo "guest: $(cat $device/device) $(cut -c 35 $device/features)"
done
echo 'guest: ready'
/vsock_talk listen 7001 </dev/null >/file
echo "guest: got $(cat /file)"
read -r word
poweroff -f
END

expect_status 2 usher run --engine=qemu --kernel "$kernel" --vsock=socket
expect_text "--vsock: socket is not for engine 'qemu'"
qemu-img create -q -f qcow2 -b /etc/shadow -F raw far.qcow2 8M 2>/dev/null ||
	qemu-img create -q -u -f qcow2 -b /etc/shadow -F raw far.qcow2 8M || fail 'no image'
expect_status 2 usher run --engine=qemu --kernel "$kernel" --disk far.qcow2,format=qcow2
expect_text "'/etc/shadow' as its backing file"

open_guest --engine=qemu --name box --net none --memory 256M --disk "$work/over.qcow2,format=qcow2" \
	--share "$work/data" --vsock=77 --balloon --rings packed
wait_for_guest 'guest: ready'
expect_guest 'guest: vda before'
expect_guest 'guest: reads of the host'
# A disk and an entropy device; what others serve knows no packed rings.
for device in 2 4; do
	expect_guest "guest: 0x000$device 1"
done
expect_guest 'guest: 0x0013 0'
expect_equal 'what the guest wrote' 'of the guest' "$(cat data/guest)"
tr '\0' '\n' <"/proc/$(pidof qemu-system-x86_64)/cmdline" >words
grep -qF "$work" words && fail 'QEMU knows a path'
expect_ok usher control box balloon 200M
expect_status 1 usher control box balloon 1G
expect_text 'and gets no more'
echo 'by the kernel' | "$talk" connect 77 7001
wait_for_guest 'guest: got by the kernel'
echo off >&8
wait_for_guest '^usher ended: 0'
qemu-img convert -O raw over.qcow2 after.raw
expect_equal 'the image' after "$(head -n 1 after.raw)"
expect_equal 'the backing file' before "$(head -n 1 base.raw)"
! pidof virtiofsd || fail 'virtiofsd is left behind'
