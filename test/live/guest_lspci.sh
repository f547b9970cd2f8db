#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: cards
# guest: small
# timeout: 600
# The same guest with the same devices under usher and under QEMU: what lspci -vvxxxx tells of them
# differs in nothing that docs/pass-lspci.md does not explain. With USHER_SHOW=1 it tells all of it.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"

# The first two are functions of one slot.
devices= ports= number=0
for id in 8086:10d3 1234:11e8 1b36:000d 1000:0079 10ec:8139 1b36:0010; do
	device=$(address_of $id) || fail "no device $id"
	devices="$devices $device"
	function=${device##*.}
	[ "$function" != 0 ] || ports="$ports -device pcie-root-port,id=port$((number += 1)),chassis=$number"
	ports="$ports -device vfio-pci,host=$device,bus=port$number,addr=0.$function"
	[ ! -e "$pci/${device%.*}.1" ] || ports="$ports,multifunction=on"
done

# lspci itself, with all that it is linked with.
lspci=$(command -v lspci)
for file in "$lspci" $(ldd "$lspci" | grep -o '/[^ ]*'); do
	mkdir -p "$work/archive/${file%/*}"
	cp -L "$file" "$work/archive/$file"
done
guest_script <<END
insmod /lib/modules/e1000e.ko
wait_for /dev/nvme0n1
n=0
until [ \$(ls -d /sys/block/sd* | wc -l) = 2 ] || [ \$((n += 1)) -gt 300 ]; do sleep 0.1; done
# Most of it are zeros, and each byte on QEMU's console is an exit.
echo 'lspci: begin'
$lspci -n -vv -xxxx 2>/dev/null | gzip | base64
echo 'lspci: end'
END

# shellcheck disable=SC2086 # these are several words
open_guest --name lspci --memory 256M $(printf -- '--device %s ' $devices)
wait_for_guest '^usher ended: 0'
cp "$console" "$work/usher"
# shellcheck disable=SC2086
{
	usher bind $devices >"$work/err" 2>&1 || fail_with_output 'cannot bind'
	at_exit "usher release $devices"
	qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot -M q35 -accel kvm -cpu host \
		-m 256 -serial stdio -kernel "$kernel" -initrd "$initrd" $ports \
		-append 'console=ttyS0 quiet panic=-1 usher.do=script' >"$work/qemu" 2>"$work/err" </dev/null ||
		fail "QEMU ended with status $?: $(cat "$work/err" "$work/qemu")"
}
# shellcheck disable=SC2086
python3 "$top/test/live/lspci.py" ${USHER_SHOW:+--show} "$work/usher" "$work/qemu" "$top/docs/pass-lspci.md" ||
	fail 'see docs/pass-lspci.md'
