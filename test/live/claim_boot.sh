#!/bin/sh
# SPDX-License-Identifier: MIT
# boots: 4
# init: agent,systemd,systemd,systemd
# topology: minimal,minimal,minimal,moved
# argument: none,none,usher=off,none
# timeout: 180
# Claims across a reboot of a host with systemd and udevd: the native driver never sees a claimed
# device, and a device that has moved is refused and left to its driver. Claimed virtual functions are
# made, and no driver of the host sees them.
. "${0%/*}/lib.sh"

unit=usher-apply.service

# keep: saves what a disk would keep for the next boot.
keep() {
	rm -rf /persist/etc
	mkdir -p /persist/etc/udev/rules.d /persist/etc/systemd/system/multi-user.target.wants
	cp -r /etc/usher /persist/etc/
	cp /etc/udev/rules.d/07-usher.rules /persist/etc/udev/rules.d/
	sed "s|^ExecStart=[^ ]*|ExecStart=$top/build/src/cli/usher|" "$top/build/boot/$unit" \
		>/persist/etc/systemd/system/$unit
	ln -s ../$unit /persist/etc/systemd/system/multi-user.target.wants/$unit
	sync
}

# expect_unseen ADDRESS DRIVER: DRIVER is loaded, and has not probed the device since the boot.
expect_unseen() {
	[ -e "/sys/bus/pci/drivers/$2" ] || fail "$2 is not loaded: this shows nothing"
	! dmesg | grep -E "\] $2 .*$1" || fail "$2 has seen $1"
}

# expect_seen ADDRESS DRIVER: the kernel's log shows a probe; else expect_unseen would prove
# nothing.
expect_seen() {
	dmesg | grep -qE "\] $2 .*$1" || fail "the log does not tell that $2 has $1"
}

disk=$(nvme_address)
card=$(e1000e_address)

case $USHER_LAB_BOOT in
1)
	expect_seen "$disk" nvme
	expect_seen "$card" e1000e
	expect_status 3 usher claim 00:01.0
	expect_text 'is a PCI bridge'
	expect_status 3 usher claim "$disk" --id 8086:0000
	[ ! -e /etc/usher/claims.d ] || fail 'what was refused has left something behind'

	# A disk in use is not claimed by accident.
	mkfs.ext4 -qF "/dev/$(block_of "$disk")"
	mkdir "$work/mnt"
	mount "/dev/$(block_of "$disk")" "$work/mnt"
	expect_status 3 usher claim "$disk"
	expect_text '[block]'
	umount "$work/mnt"

	expect_ok usher claim "$disk" "$card" --id 1b36:0010 --id 8086:10d3 --user 1000 --user-group 1001
	expect_ok usher claims
	expect_text "at $disk"
	expect_text "at $card"
	expect_driver "$disk" nvme
	expect_status 1 usher apply --check
	expect_text "$disk: is bound to nvme"
	keep
	;;
2)
	systemctl is-active -q $unit || fail "$(systemctl status --no-pager $unit)"
	for one in "$disk nvme" "$card e1000e"; do
		expect_unseen $one
		expect_driver "${one% *}" vfio-pci
		expect_override "${one% *}" vfio-pci
	done
	expect_ok usher apply --check
	expect_text "$disk: is bound to vfio-pci, as claimed"
	expect_ok usher restore
	expect_driver "$disk" vfio-pci

	# The kernel gives a new node to root. udev then gives it to its user again.
	node=/dev/vfio/$(group_of "$card")
	expect_equal 'the node' '1000:1001 660' "$(stat -c '%u:%g %a' "$node")"
	echo "$card" >/sys/bus/pci/drivers/vfio-pci/unbind
	[ ! -e "$node" ] || fail "$node outlives its device"
	echo "$card" >/sys/bus/pci/drivers/vfio-pci/bind
	wait_until 60 sh -c "stat -c '%u:%g %a' $node | grep -x '1000:1001 660'"

	# release returns the disk to the driver that the claim kept away.
	expect_ok usher unclaim "$disk"
	expect_no_text "$card"
	expect_ok usher release "$disk" --dry-run
	expect_text 'to the driver that matches it'
	expect_ok usher release "$disk"
	expect_text "$disk: vfio-pci -> nvme"
	expect_seen "$disk" nvme
	expect_override "$disk" none
	[ ! -e "/run/udev/rules.d/72-usher-$(group_of "$disk").rules" ] || fail 'the rule is left'
	[ -e "/run/udev/rules.d/72-usher-$(group_of "$card").rules" ] || fail 'the other one is gone'

	expect_ok usher claim "$disk"
	expect_driver "$disk" nvme
	expect_ok usher apply
	expect_driver "$disk" vfio-pci
	expect_ok usher apply --check

	# For the last boot, whose host has a device with virtual functions.
	cat >/etc/usher/claims.d/functions.claim <<-END
		usher-claim 1
		address 0000:03:00.0
		path 0000:00/04.0/00.0
		id 8086:5845
		subsystem 1af4:1100
		vfs 2
	END
	keep
	;;
3)
	# usher=off on the kernel's command line: neither the rule nor the unit does anything.
	expect_driver "$disk" nvme
	expect_override "$disk" none
	expect_driver "$card" e1000e
	expect_equal 'the unit' 'inactive no' \
		"$(systemctl show -P ActiveState $unit) $(systemctl show -P ConditionResult $unit)"
	expect_ok usher apply --boot
	expect_text 'disabled by the kernel argument usher=off'
	expect_driver "$disk" nvme
	;;
4)
	# The other claims fail here. The functions are made all the same.
	functions=$(address_of 8086:5845)
	expect_ok usher claims
	expect_text "at $functions"
	expect_equal 'the virtual functions' 2 "$(cat "$pci/$functions/sriov_numvfs")"
	expect_driver "$functions" nvme
	for k in 0 1; do
		one=$(basename "$(readlink "$pci/$functions/virtfn$k")")
		expect_driver "$one" none
		expect_unseen "$one" nvme
	done
	expect_ok usher show -n "$one"
	expect_text "'functions' of $functions makes it at each boot"
	expect_ok usher bind "$one"
	expect_ok usher release "$one"
	expect_driver "$one" none
	expect_ok usher claims
	expect_text "moved: it is now at $disk"
	expect_text "at $card (was 0000:02:00.0: buses have new numbers)"
	expect_driver "$disk" nvme
	expect_override "$disk" none
	expect_unseen "$card" e1000e
	expect_driver "$card" vfio-pci
	expect_equal 'the unit' 'exit-code 3' \
		"$(systemctl show -P Result $unit) $(systemctl show -P ExecMainStatus $unit)"
	expect_status 3 usher apply --boot
	expect_text "it is now at $disk"
	expect_text 'usher unclaim'
	expect_status 3 usher apply --check
	;;
esac
