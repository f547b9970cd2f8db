#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: cards
# guest: small
# timeout: 600
# One guest with seven functions. The disks behind NVMe, USB and a RAID controller read correctly.
# Both network cards transfer a file, one of them with each kind of interrupt, the other also by its
# ports. edu computes. Random numbers come from the host. A ROM is the card's own or the file's. The screen shows what the guest draws.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"

devices=
for id in $all_cards; do
	device=$(address_of $id) || fail "no device $id"
	devices="$devices --device $device"
	# A ROM of our own for one card: an image of 2 KiB, in the form that PCI specifies.
	[ $id != 10ec:8139 ] || devices="$devices,rom=$work/rom"
done
python3 - "$work/rom" <<'PY'
import struct, sys
rom = bytearray(n * 37 % 256 for n in range(2048))
struct.pack_into("<HB", rom, 0, 0xaa55, 4)
struct.pack_into("<H", rom, 0x18, 0x40)
struct.pack_into("<4sHHHHBBBBHHBBH", rom, 0x40, b"PCIR", 0x10ec, 0x8139, 0, 0x18, 0, 0, 0, 2, 4, 0, 0, 0x80, 0)
rom[6] = -sum(rom) + rom[6] & 0xff  # the checksum comes out as 0
open(sys.argv[1], "wb").write(rom)
PY
own=$(sha256sum <"$work/rom")
nic=$(e1000e_address)
echo 1 >"$pci/$nic/rom"
theirs=$(sha256sum <"$pci/$nic/rom")
[ "$(head -c 2 "$pci/$nic/rom" | od -An -tx1)" = ' 55 aa' ] || fail 'the card has no ROM on the host'
echo 0 >"$pci/$nic/rom"
all_drivers >"$work/before"

guest_script <<'END'
address_of() {
	for device in /sys/bus/pci/devices/*; do
		[ "$(cat $device/vendor):$(cat $device/device)" != "0x${1%:*}:0x${1#*:}" ] || echo ${device##*/}
	done
}
bar() { # ADDRESS N
	set -- $(sed -n $(($2 + 1))p /sys/bus/pci/devices/$1/resource)
	echo $(($1))
}
pci=/sys/bus/pci/devices
sum() { dd if=$1 bs=64k count=128 iflag=direct 2>/dev/null | sha256sum | cut -d' ' -f1; }
disk() { # WHAT CONTROLLER
	n=0
	until found=$(ls -d /sys/block/* | while read -r b; do readlink -f $b; done | grep $2); do
		[ $((n += 1)) -lt 300 ] || break
		sleep 0.1
	done
	echo "guest: $1 $(sum /dev/${found##*/})"
}

wait_for /dev/nvme0n1
echo "guest: nvme $(sum /dev/nvme0n1)"
disk usb $(address_of 1b36:000d)
disk raid $(address_of 1000:0079)
grep -e xhci -e megasas /proc/interrupts

edu=$(address_of 1234:11e8)
echo 1 >$pci/$edu/enable
bar=$(bar $edu 0)
devmem $((bar + 4)) 32 0x12345678
devmem $((bar + 8)) 32 10
until [ $(($(devmem $((bar + 0x20))) & 1)) = 0 ]; do :; done
echo "guest: edu $(devmem $bar) $(devmem $((bar + 4))) $(devmem $((bar + 8)))"

# A file by TFTP: hundreds of packets each way, and then its content must be right.
expected=$(dd if=/dev/nvme0n1 bs=64k count=4 iflag=direct 2>/dev/null | sha256sum)
carry() { # WHAT CARD
	n=0
	until net=$(ls $pci/$2/net 2>/dev/null) && [ -n "$net" ]; do
		[ $((n += 1)) -lt 300 ] || break
		sleep 0.1
	done
	ip link set $net up
	ip addr add 10.0.2.15/24 dev $net
	n=0
	until [ "$(cat /sys/class/net/$net/carrier)" = 1 ] || [ $((n += 1)) -ge 300 ]; do sleep 0.1; done
	n=0
	until timeout 60 tftp -b 1428 -g -r pattern -l /got 10.0.2.2 || [ $((n += 1)) -ge 3 ]; do sleep 1; done
	[ "$(sha256sum </got)" = "$expected" ] && echo "guest: $1 carries"
	echo "guest: $1 $(grep $net /proc/interrupts | head -1 | tr -s ' ')"
	rm -f /got
	ip addr flush dev $net
	ip link set $net down
}
echo "guest: $(cat /sys/class/misc/hw_random/rng_current)" \
	"$(dd if=/dev/hwrng bs=32 count=2 2>/dev/null | sort -u | wc -c) bytes"
nic=$(address_of 8086:10d3)
old=$(address_of 10ec:8139)
echo "guest: functions ${nic#*:} ${edu#*:}"
rom() { # WHAT CARD: it answers while it decodes memory, which no driver may have turned on yet
	echo 1 >$pci/$2/enable
	echo 1 >$pci/$2/rom
	echo "guest: rom of $1 $(sha256sum <$pci/$2/rom)"
	echo 0 >$pci/$2/rom
	echo 0 >$pci/$2/enable
}
rom e1000e $nic
rom rtl8139 $old
# The parameter has a value for each probe, and a card that is bound again is probed again.
insmod /lib/modules/e1000e.ko IntMode=2,1,0
for mode in 2 1 0; do
	carry e1000e-$mode $nic
	echo $nic >/sys/bus/pci/drivers/e1000e/unbind
	[ $mode = 0 ] || echo $nic >/sys/bus/pci/drivers/e1000e/bind
done
carry rtl8139 $old
# Its registers are in BAR 0 (ports) and in BAR 1 (memory: 256 bytes, less than a page).
ports=$(dd if=/dev/port bs=1 skip=$(bar $old 0) count=6 2>/dev/null | hexdump -e '6/1 "%02x"')
memory=$(bar $old 1)
echo "guest: rtl8139 ports $ports memory $(devmem $memory) $(devmem $((memory + 4)) 16)"

for console in /sys/class/vtconsole/*; do
	! grep -q 'frame buffer' $console/name || echo 0 >$console/bind
done
colour() { # BYTES PIXEL: that much of one colour
	printf "$2" >/one
	while [ $(stat -c %s /one) -lt 16384 ]; do cat /one /one >/two; mv /two /one; done
	n=$(($1 / 16384))
	while [ $((n -= 1)) -ge 0 ]; do cat /one; done
}
{ colour 2048000 '\063\042\021\000'; colour 2048000 '\317\276\255\000'; } >/dev/fb0
echo "guest: drawn $(cat /sys/class/graphics/fb0/virtual_size)"
read word
END
# shellcheck disable=SC2086 # these are several words
# The text console of the emulated host may be on the display.
open_guest --name cards --memory 256M --rng on --allow=gpu $devices
wait_for_guest '^guest: drawn'
expect_guest '^guest: virtio_rng.0 6[4-5] bytes'

# The outer QEMU sees the card's screen, and writes it next to the job of this boot.
. /run/lab/settings
screen=${job%/*}/screen.ppm
printf 'P6\n1280 800\n255\n' >"$work/expected"
for pixel in '\021\042\063' '\255\276\317'; do
	printf "$pixel" >"$work/one"
	while [ "$(stat -c %s "$work/one")" -lt 1536000 ]; do
		cat "$work/one" "$work/one" >"$work/two"
		mv "$work/two" "$work/one"
	done
	head -c 1536000 "$work/one" >>"$work/expected"
done
shown() {
	n_=$((${n_:-0} + 1))
	qmp screendump "{\"device\": \"display\", \"filename\": \"${screen%.ppm}$n_.ppm\"}" &&
		cmp "${screen%.ppm}$n_.ppm" "$work/expected"
}
tries=20
until shown >"$work/shown" 2>&1; do
	tries=$((tries - 1))
	[ $tries -gt 0 ] || { cat "$console" "$work/shown"; fail 'the screen does not show what the guest drew'; }
	sleep 0.5
done

echo done >&8
wait_for_guest '^usher ended'
expect_guest '^usher ended: 0'
for disk in nvme usb raid; do
	expect_guest "^guest: $disk $USHER_LAB_DISK_SHA256" "the disk behind $disk does not read as it should"
done
expect_guest 'MSI.*xhci' && expect_guest 'MSI.*megasas'
expect_guest "^guest: rom of e1000e $theirs" "a ROM does not read as on the host: $theirs"
expect_guest "^guest: rom of rtl8139 $own" "a ROM is not the one of the file: $own"
expect_guest '^guest: functions \(.*\)\.0 \1\.1' 'one card is two for the guest'
expect_guest '^guest: edu 0x010000ED 0xEDCBA987 0x00375F00'
# The card's MSI does not work in QEMU 7.2, on the host either: the driver notices, and falls back.
for kind in e1000e-2:PCI-MSI e1000e-1:IO-APIC e1000e-0:IO-APIC rtl8139:IO-APIC; do
	expect_guest "^guest: ${kind%:*} carries"
	expect_guest "^guest: ${kind%:*} .*${kind#*:}"
done
expect_guest '^guest: rtl8139 ports 525400000002 memory 0x00005452 0x0200'
all_drivers >"$work/after"
cmp -s "$work/before" "$work/after" || fail "$(diff "$work/before" "$work/after")"
