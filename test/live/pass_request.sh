#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: minimal
# guest: small
# timeout: 400
# The host unbinds one of two devices of a guest. A guest whose kernel drives its slots releases
# that device and goes on, over a reboot too. From another guest usher-vmm removes it. In both cases
# the unbind succeeds while the guest runs, and the devices return to their drivers when it ends.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"

disk=$(nvme_address) || fail 'no NVMe disk'
nic=$(e1000e_address) || fail 'no network card'

guest_script <<'END'
load_for_devices
tell() { # what answers now, ports and all
	echo "guest: $1:" $(for device in /sys/bus/pci/devices/*; do
		hexdump -n 4 -e '2/2 "%04x " "\n"' $device/config
	done)
}
if grep -q 0x0108 /sys/bus/pci/devices/*/class; then
	wait_for /dev/nvme0n1
	tell 'at first'
	# The disk is in use: a read may fail, but must return.
	while dd if=/dev/nvme0n1 of=/dev/null bs=64k count=16 iflag=direct 2>/dev/null; do :; done &
	echo 'guest: ready'
	read word
	n=0
	while [ -e /dev/nvme0n1 ] && [ $((n += 1)) -lt 600 ]; do sleep 0.1; done
	wait
	dmesg | grep -e 'pciehp.*Slot' -e 'nvme nvme'
	tell "after $word"
	read word
	[ "$word" != reboot ] || reboot -f
else
	tell 'without a disk'
	echo 'guest: ready'
	read word
fi
END

# take_back: unbinds the disk on the host while the guest uses it.
take_back() {
	wait_for_guest '^guest: ready'
	expect_guest '^guest: at first: .*1b36 0010'
	begun=$(seconds_up)
	echo "$disk" >"$pci/$disk/driver/unbind" || fail 'unbind'
	echo "the unbind took $(($(seconds_up) - begun)) s"
	expect_driver "$disk" none
	expect_driver "$nic" vfio-pci
	expect_equal 'how often it was asked for' 1 "$(grep -c "$disk: the host wants the device back" "$console")"
	! grep "$nic: the " "$console" || fail 'the other device was asked for, too'
}

# ends_well STATUS: the guest, which then has no disk left, and all goes home.
ends_well() {
	wait_for_guest "^usher ended: $1\$"
	! grep -e '^error: ' -e '^hint: ' "$console" || fail 'an error of usher, for what the host did'
	expect_driver "$disk" nvme
	expect_driver "$nic" e1000e
	expect_override "$disk" none
	expect_equal 'the journal' '' "$(ls /run/usher/journal)"
	wait_until 60 block_of "$disk"
}

# lets_go: the guest releases its disk. Status 1 if its reboot was stillborn.
lets_go() {
	open_guest --name lets-go --device "$disk" --device "$nic" --memory 256M
	take_back
	expect_guest "$disk: the guest has released the device"
	echo unbind >&8
	wait_for_guest '^guest: after unbind:'
	expect_guest 'Slot(1): .*ower off' 'the guest was not asked'
	expect_guest '^guest: after unbind: .*8086 10d3'
	! grep '^guest: after unbind: .*\(1b36 0010\|ffff ffff\)' "$console" || fail 'the disk is still there'
	echo reboot >&8
	wait_for_guest '^guest: without a disk\|^usher ended'
	! stillborn_again "$console" || { wait_for_guest '^usher ended'; return 1; }
	expect_guest '^guest: without a disk: .*8086 10d3'
	! grep '^guest: without a disk: .*1b36 0010' "$console" || fail 'the disk came back'
	echo off >&8
	ends_well 0
}

until lets_go; do wait_until 60 block_of "$disk"; done

words=pcie_ports=compat
open_guest --name clings --device "$disk" --device "$nic" --memory 256M
take_back
expect_guest "$disk: the guest does not release the device in time"
echo unbind >&8
wait_until 30 test -s "$console"
kill -0 "$(vmm_pid)" || fail 'the guest has ended with its device'
kill "$(vmm_pid)"
ends_well 143 # 128 + SIGTERM
