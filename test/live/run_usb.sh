#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: cards
# guest: small
# timeout: 300
# A disk at the host's USB is a guest's, by QEMU without rights and by libvirt, and afterwards its driver's
# again, also when QEMU is killed. QEMU has a screen by SPICE meanwhile.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"
. "${0%/*}/virt.sh"

stick=46f4:0001
for device in /sys/bus/usb/devices/*; do
	[ "$(cat "$device/idVendor" 2>/dev/null)" != "${stick%:*}" ] || place=${device##*/}
done
[ "${place:-}" ] || fail 'the host has no USB disk'

node=$(printf '/dev/bus/usb/%03d/%03d' "$(cat "/sys/bus/usb/devices/$place/busnum")" \
	"$(cat "/sys/bus/usb/devices/$place/devnum")")
node_is=$(stat -c '%u %g %a' "$node")

# The lab's kernel has no driver of USB disks. This one takes whatever it is told to.
drivers=/sys/bus/usb/drivers
modprobe viperboard || fail 'the host has no such driver'
at_exit 'modprobe -r viperboard'
echo "${stick%:*} ${stick#*:}" >$drivers/viperboard/new_id
driver_is() { # DRIVER
	[ "$(name_of "/sys/bus/usb/devices/$place:1.0/driver")" = "$1" ]
}
wait_until 10 driver_is viperboard

guest_script <<'END'
n=0
until disk=$(ls -d /sys/block/sd* 2>/dev/null) || [ $((n += 1)) -gt 600 ]; do sleep 0.05; done
echo "guest: usb $(dd if=/dev/${disk##*/} bs=64k count=128 iflag=direct 2>/dev/null | sha256sum | cut -d' ' -f1)"
echo 'guest: ready'
read -r word
poweroff -f
END

expect_status 2 usher run --engine=qemu --kernel "$kernel" --usb 1-7.7
expect_text '--usb: this host has no device 1-7.7'
expect_status 2 usher run --kernel "$kernel" --usb $stick
expect_text "--usb is not for engine 'usher'"
driver_is viperboard || fail 'what was refused has taken the disk'

# By its ids, to a QEMU that is another user, with its system calls filtered.
open_guest --engine=qemu --name box --net none --memory 256M --usb $stick --display spice
wait_for_guest 'guest: ready'
expect_guest "guest: usb $USHER_LAB_DISK_SHA256"
driver_is usbfs || fail "QEMU has not the disk"
qemu=$(pidof qemu-system-x86_64)
[ "$(stat -c %u "/proc/$qemu")" -ge 2020963072 ] || fail 'QEMU has rights'
expect_equal 'system calls of QEMU' 2 "$(sed -n 's/^Seccomp:.//p' "/proc/$qemu/status")"
expect_equal "owner of the host's node" "$node_is" "$(stat -c '%u %g %a' "$node")"
# A viewer's first message, and QEMU's answer: no error, and a key for the ticket.
python3 - <<'PY' || fail 'no screen'
import socket, struct
link = struct.pack("<IBBIII", 0, 1, 0, 0, 0, 18)
with socket.socket(socket.AF_UNIX) as s:
    s.settimeout(20)
    s.connect("/run/usher/vm/box/display/spice")
    s.sendall(b"REDQ" + struct.pack("<III", 2, 2, len(link)) + link)
    answer = s.recv(20, socket.MSG_WAITALL)
    assert answer[:4] == b"REDQ" and answer[16:] == bytes(4), answer
PY
echo off >&8
wait_for_guest '^usher ended: 0'
driver_is viperboard || fail 'the driver has not got the disk back'
[ ! -e /run/usher/vm/box ] || fail "left: $(ls /run/usher/vm/box)"

# By its place, and QEMU is killed.
usher run --engine=qemu --firmware bios --name box --net none --usb "$place" </dev/null >"$work/console" 2>&1 &
keeper=$!
wait_until 30 driver_is usbfs
kill -9 "$(pidof qemu-system-x86_64)"
wait $keeper
expect_equal "the keeper's status" 137 $?
driver_is viperboard || fail 'a killed QEMU keeps the disk'

command -v libvirtd >/dev/null || skip 'libvirtd is not installed'
write_settings
start_libvirtd
open_guest --engine=libvirt --name box --net none --memory 256M --usb "$place"
wait_for_guest 'guest: ready'
expect_guest "guest: usb $USHER_LAB_DISK_SHA256"
driver_is usbfs || fail "libvirt's QEMU has not the disk"
expect_ok virsh_ dumpxml box
expect_text "<hostdev mode='subsystem' type='usb'"
echo off >&8
wait_for_guest '^usher ended: 0'
driver_is viperboard || fail "libvirt's driver has not got the disk back"
expect_equal 'the domains' '' "$(virsh_ list --all --name)"

# By libvirt once more, and QEMU is killed.
usher run --engine=libvirt --firmware bios --name box --net none --memory 64M --usb "$stick" \
	</dev/null >"$work/console" 2>&1 &
keeper=$!
wait_until 30 driver_is usbfs
kill -9 "$(pidof qemu-system-x86_64)"
wait $keeper
expect_equal "the keeper's status" 1 $?
driver_is viperboard || fail "a killed QEMU of libvirt's keeps the disk"
