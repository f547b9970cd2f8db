#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: desktop
# timeout: 420
# Devices come to a guest of QEMU that runs, and leave it: whole groups, through the checks and the
# journal. A guest that does not let go keeps them, and whoever is killed in the middle loses nothing.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"

disk=$(nvme_address)
before=$(disk_checksum "$(block_of "$disk")")
edu=$(address_of 1234:11e8)
oldnic=$(address_of 8086:100e)
nic=$(address_of 8086:10d3)
node=/dev/vfio/$(group_of "$disk")

state_of_box() {
	echo '{"command":"state"}' | python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect("/run/usher/vm/box/control")
f = s.makefile("rw")
f.readline()
f.write(sys.stdin.read())
f.flush()
print(f.readline())'
}

guest_script <<'END'
ids() {
	for d in /sys/bus/pci/devices/*; do
		case $(cat "$d/vendor" "$d/device" | tr '\n' ' ') in
		'0x1b36 0x0010 ') echo -n ' nvme' ;;
		'0x1234 0x11e8 ') echo -n ' edu' ;;
		'0x8086 0x100e ') echo -n ' e1000' ;;
		esac
	done
}
echo 'guest: ready'
n=0
while read -r word; do
	n=$((n + 1))
	case $word in
	sum) load_for_devices; checksum ;;
	off) poweroff -f ;;
	*)
		i=0
		until [ "$(ids)" = "${word:+ $(echo $word | tr , ' ')}" ] || [ $i -gt 200 ]; do i=$((i + 1)); sleep 0.1; done
		echo "guest: $n has$(ids)."
		;;
	esac
done
END
wish=script
open_guest --engine=qemu --name box --net none --memory 256M
wait_for_guest 'guest: ready'

# It comes: the guest reads the disk, of which the host's node is nobody else's.
expect_ok usher attach box "$disk"
expect_driver "$disk" vfio-pci
expect_equal "owner of the host's node" '0 600' "$(stat -c '%u %a' "$node")"
state_of_box | grep -q "\"devices\":\[\"$disk\"\]" || fail "state: $(state_of_box)"
echo sum >&8
wait_for_guest "guest: nvme0n1 $before"

# What it has already, what is in use, and what is not there.
expect_status 1 usher attach box "$disk"
expect_text "guest 'box' has one of these already"
ip link set "$(ls "$pci/$nic/net")" up
ip address add 10.9.9.1/24 dev "$(ls "$pci/$nic/net")"
expect_status 3 usher attach box "$nic"
expect_text 'carries the route to 10.9.9.0/24'
expect_driver "$nic" e1000e
expect_status 1 usher detach box "$nic"
expect_text "guest 'box' has not $nic"
expect_status 2 usher attach --config box "$nic"
expect_text 'is a guest of usher'

# A guest that does not let go keeps it. The job may be killed while it waits.
expect_ok usher control box pause
expect_status 1 usher detach box "$disk" --timeout 1
expect_text "$disk: guest 'box' still has it"
expect_driver "$disk" vfio-pci
usher detach box "$disk" >/dev/null 2>"$work/killed" &
waits=$!
wait_until 10 pgrep -x usher-plug
expect_status 1 usher detach box "$disk"
expect_text "devices of guest 'box' are being changed already"
kill -9 "$(pgrep -x usher-plug)"
wait $waits && fail 'the job was killed, and nobody says so'
grep -q 'was killed' "$work/killed" || fail "$(cat "$work/killed")"
expect_ok usher control box resume
expect_ok usher detach box "$disk" --json
expect_document
expect_text "\"$disk\""
expect_driver "$disk" nvme
expect_override "$disk" none
qemu=$(pidof qemu-system-x86_64)
[ ! -e "/proc/$qemu/root$node" ] || fail 'QEMU has kept the node of the group'
expect_equal 'what the disk has' "$before" "$(disk_checksum "$(block_of "$disk")")"

# A group of two cards behind a bridge, which stays.
bridge=$(basename "$(readlink -f "$pci/$edu/..")")
expect_ok usher attach box "$edu"
expect_driver "$oldnic" vfio-pci
expect_equal "the bridge's driver" "$(driver_of "$bridge")" "$(all_drivers | sed -n "s/^$bridge \([^ ]*\) .*/\1/p")"
echo e1000,edu >&8
wait_for_guest 'has.* e1000.*edu\|has.* edu.*e1000'
expect_ok usher detach box "$oldnic"
expect_driver "$edu" none
expect_driver "$oldnic" e1000
echo >&8
wait_for_guest 'has\.'

# It ends with a device that came late.
expect_ok usher attach box "$disk"
echo off >&8
wait_for_guest 'usher ended: 0'
expect_driver "$disk" nvme
expect_override "$disk" none

# The keeper is killed, then QEMU, each with such a device.
for victim in keeper qemu; do
	usher run --engine=qemu --firmware bios --name box --net none </dev/null >"$work/console" 2>&1 &
	keeper=$!
	wait_until 30 usher attach box "$disk"
	expect_driver "$disk" vfio-pci
	if [ $victim = keeper ]; then
		kill -9 $keeper
		wait_until 20 sh -c '! pidof qemu-system-x86_64'
		expect_ok usher restore
	else
		usher detach box "$disk" >/dev/null 2>&1 &
		kill -9 "$(pidof qemu-system-x86_64)"
		wait $keeper
	fi
	wait_until 10 has_driver "$disk" nvme
	expect_override "$disk" none
done
[ -z "$(ls /run/usher/journal)" ] || fail "left: $(ls /run/usher/journal)"
