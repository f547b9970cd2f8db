#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: minimal
# guest: small
# program: fio
# timeout: 300
# Other programs serve devices of a guest in its memory. QEMU's storage daemon serves disks whose images
# have formats of their own: qcow2, also one with a backing file beside it, vmdk, vdi and vhdx. The guest
# reads, writes and flushes, it reboots, and the images have what it wrote. virtiofsd serves folders: host
# and guest see what the other one writes, and a link that leads out of one leads the guest nowhere of the
# host's. A network card is at a program that the user has started. A program that is killed takes its
# device with it, and nothing else, unless it notes its work and comes back. fio writes and verifies when a
# storage daemon and a virtiofsd are killed: what it has read back by then is there.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"

dd if=/dev/urandom of="$work/base.raw" bs=1M count=8 2>/dev/null
truncate -s 16M "$work/base.raw"
chmod 600 "$work/base.raw"
dd if="$work/base.raw" of="$work/little.raw" bs=1M count=1 2>/dev/null
truncate -s 2M "$work/little.raw"
# To read a large one takes the guest seconds.
for format in base:qcow2 base:vmdk little:vdi little:vhdx; do
	image=$work/disk.${format#*:}
	qemu-img convert -O "${format#*:}" "$work/${format%:*}.raw" "$image" || fail "no $format"
	chmod 600 "$image"
done
little=$(sha256sum <"$work/little.raw")
(cd "$work" && qemu-img create -q -f qcow2 -b base.raw -F raw over.qcow2) || fail 'no overlay'
sum=$(sha256sum <"$work/base.raw")

mkdir "$work/data" "$work/fixed"
echo 'of the host' >"$work/data/host"
echo 'of the host' >"$work/fixed/host"
echo hidden >"$work/secret"
truncate -s 8M "$work/data/pieces"
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

fio=$(dirname "$(cat /run/lab/initrd)")/program-fio.ext4
# A piece of a file or a disk, as fio writes it and reads it back.
piece='--name=piece --size=128k --bs=4k --rw=randwrite --ioengine=libaio --direct=1 --iodepth=32
	--end_fsync=1 --verify=crc32c --verify_fatal=1 --verify_state_save=0 --fallocate=none --eta=never'
echo "$piece" >"$work/piece"
guest_script "$work/piece" "$top/build/test/live/fio_memory.so" <<'END'
for disk in vda vdb vdc vdd vde; do
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
	for disk in vda vdb vdc vdd vde; do
		dd if=/dev/zero bs=64k count=4 2>/dev/null | tr '\0' "${disk#vd}" |
			dd of=/dev/$disk bs=64k seek=14 conv=fsync 2>/dev/null && echo "guest: $disk is written"
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
# pieces FILE FIRST: one after the other, as long as that works.
pieces() {
	n=0
	# shellcheck disable=SC2046 # these are several words
	while /fio/lib/ld-linux-x86-64.so.2 --preload /fio_memory.so --library-path /fio/lib /fio/fio $(cat /piece) \
		--filename="$1" --offset=$(($2 + n * 131072)) --output="/said.${1##*/}"; do
		echo "guest: ${1##*/} has piece $n"
		n=$((n + 1))
	done
	cat "/said.${1##*/}"
	echo "guest: ${1##*/} ends"
}
mkdir -p /fio
wait_for /dev/vdf
mount -t ext4 -o ro /dev/vdf /fio || echo 'guest: no fio'
pieces /dev/vda 8388608 &
pieces /data/pieces 0 &
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
# Which server it is, the plan says, and what that means.
expect_ok usher run --plan --kernel "$kernel" --share "$work/data"
if [ -e /usr/libexec/virtiofsd ] || [ -e /usr/lib/virtiofsd ]; then
	expect_text "share: $work/data as data, by /usr/lib"
	expect_no_text 'runs as root'
else
	expect_text "share: $work/data as data, by /usr/lib/qemu/virtiofsd, which runs as root and confines itself"
fi
open_guest --name served --disk "$work/disk.qcow2,format=qcow2" --disk "$work/over.qcow2,format=qcow2" \
	--disk "$work/disk.vmdk,format=vmdk" --disk "$work/disk.vdi,format=vdi" \
	--disk "$work/disk.vhdx,format=vhdx" --share "$work/data" --share "$work/fixed,tag=steady,ro" \
	--disk "$fio,ro" --net "vhost-user,path=$work/mirror"
wait_for_guest '^guest: ready'
for disk in vda vdb vdc vdd vde; do
	case $disk in vd[de]) expect_guest "^guest: $disk $little" ;; *) expect_guest "^guest: $disk $sum" ;; esac
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
[ "$(echo "$daemons" | wc -w)" -eq 5 ] || fail "these daemons: $daemons"
users=$(for pid in $daemons; do awk '/^Uid/ { print $2 }' "/proc/$pid/status"; done | sort -u | grep -cv '^0$')
[ "$users" -eq 5 ] || fail "$users users of daemons"
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
wait_for_guest '^guest: pieces has piece 1'
wait_for_guest '^guest: vda has piece 1'
kill -9 "$first"
wait_for_guest "virtio-blk '$work/disk.qcow2' is out of service: its back end has ended; the guest goes on"
echo on >&8
wait_for_guest '^guest: vdb goes on'
wait_for_guest '^guest: data goes on'
server=$(pidof virtiofsd | tr ' ' '\n' | sort -n | head -n 1)
kill -9 "$server"
wait_for_guest "virtio-fs '.*' is out of service"
echo on >&8
wait_for_guest '^guest: vdc goes on'
wait_for_guest '^guest: steady goes on'
wait_for_guest '^usher ended: 0'
! grep '^guest: .* ends' "$console" || { cat "$console"; fail 'fio got an answer of nobody'; }
for disk in disk.qcow2:a over.qcow2:b disk.vmdk:c disk.vdi:d disk.vhdx:e; do
	qemu-img convert -O raw "$work/${disk%:*}" "$work/now" || fail "${disk%:*} is damaged"
	written=$(dd if="$work/now" bs=64k skip=14 count=4 2>/dev/null | tr -d "${disk#*:}" | wc -c)
	[ "$written" -eq 0 ] || fail "${disk%:*} does not have what the guest wrote"
	case $disk in *:[de]) size=2097152 ;; *) size=16777216 ;; esac
	[ "$(stat -c %s "$work/now")" -eq $size ] || fail "${disk%:*} has another size"
done
# What fio had read back is where the programs that were killed kept it.
qemu-img convert -O raw "$work/disk.qcow2" "$work/now"
expect_pieces() { # NAME FILE FIRST
	last=$(sed -n "s/^guest: $1 has piece \([0-9]*\).*/\1/p" "$console" | tail -n 1)
	for n in $(seq 0 "$last"); do
		# shellcheck disable=SC2086 # these are several words
		fio $piece --verify_only --filename="$2" --offset=$(($3 + n * 131072)) >"$work/out" 2>&1 ||
			{ cat "$work/out"; fail "$1: piece $n of $last is lost"; }
	done
}
expect_pieces vda "$work/now" 8388608
expect_pieces pieces "$work/data/pieces" 0
[ "$(sha256sum <"$work/base.raw")" = "$sum" ] || fail 'the backing file was written'
! pidof qemu-storage-daemon virtiofsd || fail 'a daemon is left'
