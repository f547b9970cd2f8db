#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: minimal
# guest: small
# timeout: 300
# Other programs serve devices of a guest in its memory. QEMU's storage daemon serves disks whose images
# have formats of their own: qcow2, also one with a backing file beside it, and vmdk. The guest reads,
# writes and flushes, it reboots, and the images have what it wrote. virtiofsd serves folders: host and
# guest see what the other one writes, and a link that leads out of one leads the guest nowhere of the
# host's. A network card is at a program that the user has started. A program that is killed takes its
# device with it, and nothing else, unless it notes its work and comes back.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"

dd if=/dev/urandom of="$work/base.raw" bs=1M count=8 2>/dev/null
truncate -s 16M "$work/base.raw"
chmod 600 "$work/base.raw"
for format in qcow2 vmdk; do
	qemu-img convert -O $format "$work/base.raw" "$work/disk.$format" || fail "no $format"
	chmod 600 "$work/disk.$format"
done
(cd "$work" && qemu-img create -q -f qcow2 -b base.raw -F raw over.qcow2) || fail 'no overlay'
sum=$(sha256sum <"$work/base.raw")

mkdir "$work/data" "$work/fixed"
echo 'of the host' >"$work/data/host"
echo 'of the host' >"$work/fixed/host"
echo hidden >"$work/secret"
ln -s "$work/secret" "$work/data/out"
ln -s ../secret "$work/data/up"

# mirror: serves the guest's network card, and notes what it has in work.
mirror() {
	"$top/build/test/live/net_mirror" "$work/mirror" note &
	mirror=$!
	at_exit "kill -9 $mirror 2>/dev/null"
	wait_until 10 test -S "$work/mirror"
}
mirror

guest_script <<'END'
for disk in vda vdb vdc; do
	wait_for /dev/$disk
	echo "guest: $disk $(sha256sum </dev/$disk)"
done
mkdir -p /data /fixed
mount -t virtiofs data /data || echo 'guest: no data'
mount -t virtiofs -o ro steady /fixed || echo 'guest: no steady'
echo "guest: reads $(cat /data/host /fixed/host | tr '\n' ' ')"
for link in out up; do
	! cat /data/$link 2>/dev/null || echo 'guest: is out'
	echo mine 2>/dev/null >/data/$link && echo "guest: writes to $(readlink -f /data/$link)"
done
! mknod /data/node b 1 1 2>/dev/null && echo 'guest: makes no node'
mount -o remount,rw /fixed
! echo mine 2>/dev/null >/fixed/mine && echo 'guest: steady is not written'
if [ ! -e /data/guest ]; then
	for disk in vda vdb vdc; do
		dd if=/dev/zero bs=64k count=4 2>/dev/null | tr '\0' "${disk#vd}" |
			dd of=/dev/$disk bs=64k seek=100 conv=fsync 2>/dev/null && echo "guest: $disk is written"
	done
	echo 'of the guest' >/data/guest
	sync
	echo 'guest: reboots'
	reboot -f
fi
echo "guest: again $(cat /data/guest)"
ip addr add 10.9.0.2/24 dev eth0
ip link set eth0 up
ping -c 1 -W 10 10.9.0.1 >/dev/null && echo 'guest: the card works'
echo 'guest: ready'
read word
for n in 1 2 3 4 5 6 7 8 9 10; do
	! ping -c 1 -W 2 10.9.0.1 >/dev/null || { echo 'guest: the card works again'; break; }
done
read word
# Sectors that nothing is in yet, each flushed before it is told of.
(
	n=0
	while printf '%-512s' "number $n" | dd of=/dev/vda bs=512 seek=$((17000 + n)) conv=notrunc,fsync 2>/dev/null; do
		echo "guest: wrote $n"
		n=$((n + 1))
	done
	echo 'guest: vda ends'
) &
read word
dd if=/dev/vdb of=/dev/null bs=1M iflag=direct 2>/dev/null && echo 'guest: vdb goes on'
cat /data/host >/dev/null && echo 'guest: data goes on'
read word
# Linux waits for a server that is gone: so does this one, and nobody else.
cat /data/host /data/guest >/dev/null &
dd if=/dev/vdc of=/dev/null bs=1M iflag=direct 2>/dev/null && echo 'guest: vdc goes on'
cat /fixed/host >/dev/null && echo 'guest: steady goes on'
poweroff -nf
END
open_guest --name served --disk "$work/disk.qcow2,format=qcow2" --disk "$work/over.qcow2,format=qcow2" \
	--disk "$work/disk.vmdk,format=vmdk" --share "$work/data" --share "$work/fixed,tag=steady,ro" \
	--net "vhost-user,path=$work/mirror"
wait_for_guest '^guest: ready'
for disk in vda vdb vdc; do
	expect_guest "^guest: $disk $sum"
	expect_guest "^guest: $disk is written"
done
expect_guest '^guest: reads of the host of the host'
expect_guest '^guest: steady is not written'
expect_guest '^guest: makes no node'
expect_guest '^guest: again of the guest'
expect_guest '^guest: the card works'
! grep -q 'guest: is out\|guest: no \|hidden' "$console" || { cat "$console"; fail 'the guest sees what it must not'; }
[ "$(cat "$work/secret")" = hidden ] || fail 'the guest wrote behind a link'
[ "$(cat "$work/data/guest")" = 'of the guest' ] || fail 'the host does not see what the guest wrote'
[ ! -e "$work/fixed/mine" ] || fail 'the guest wrote to a folder that it may only read'

# Each daemon is a user of its own, and has no file of the host but its own.
daemons=$(pidof qemu-storage-daemon)
[ "$(echo "$daemons" | wc -w)" -eq 3 ] || fail "these daemons: $daemons"
users=$(for pid in $daemons; do awk '/^Uid/ { print $2 }' "/proc/$pid/status"; done | sort -u | grep -cv '^0$')
[ "$users" -eq 3 ] || fail "$users users of daemons"
first=$(for pid in $daemons; do grep -lq disk.qcow2 "/proc/$pid/mountinfo" && echo "$pid"; done)
[ -n "$first" ] || fail 'no daemon has the first image'
for path in etc/passwd proc/self home root sys/kernel; do
	[ ! -e "/proc/$first/root/$path" ] || fail "the daemon sees /$path"
done

# A program that notes what it has in work may end, and come back.
kill -9 "$mirror"
wait_for_guest "virtio-net '$work/mirror': its back end has ended; its requests wait until it is back"
mirror
wait_for_guest "virtio-net '$work/mirror': its back end is back"
echo on >&8
wait_for_guest '^guest: the card works again'

echo on >&8
wait_for_guest '^guest: wrote 9'
kill -9 "$first"
wait_for_guest "virtio-blk '$work/disk.qcow2' is out of service: its back end has ended; the guest goes on"
echo on >&8
wait_for_guest '^guest: vdb goes on'
wait_for_guest '^guest: data goes on'
! grep -q '^guest: vda ends' "$console" || fail 'the disk acknowledged what nobody wrote'
server=$(pidof virtiofsd | tr ' ' '\n' | sort -n | head -n 1)
kill -9 "$server"
wait_for_guest "virtio-fs '.*' is out of service"
echo on >&8
wait_for_guest '^guest: vdc goes on'
wait_for_guest '^guest: steady goes on'
wait_for_guest '^usher ended: 0'
for disk in disk.qcow2:a over.qcow2:b disk.vmdk:c; do
	qemu-img convert -O raw "$work/${disk%:*}" "$work/now" || fail "${disk%:*} is damaged"
	written=$(dd if="$work/now" bs=64k skip=100 count=4 2>/dev/null | tr -d "${disk#*:}" | wc -c)
	[ "$written" -eq 0 ] || fail "${disk%:*} does not have what the guest wrote"
	[ "$(stat -c %s "$work/now")" -eq 16777216 ] || fail "${disk%:*} has another size"
done
# What the guest knows to be on the disk of the daemon that was killed is there.
last=$(sed -n 's/^guest: wrote \([0-9]*\).*/\1/p' "$console" | tail -n 1)
seq 0 "$last" | while read -r n; do printf '%-512s' "number $n"; done >"$work/expected"
qemu-img convert -O raw "$work/disk.qcow2" "$work/now"
dd if="$work/now" bs=512 skip=17000 count=$((last + 1)) 2>/dev/null | cmp - "$work/expected" ||
	fail "the image lost some of the $last sectors that the guest had flushed"
[ "$(sha256sum <"$work/base.raw")" = "$sum" ] || fail 'the backing file was written'
! pidof qemu-storage-daemon virtiofsd || fail 'a daemon is left'
