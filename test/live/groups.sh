# SPDX-License-Identifier: MIT
# For the tests groups_*.sh, one for each topology and IOMMU: '. "${0%/*}/groups.sh"'.
. "${0%/*}/lib.sh"

# behind_ports: what the topology has, a device of each group; all else is the machine's own.
behind_ports() {
	for device_ in "$pci"/*; do
		case ${device_##*/} in 0000:00:*) continue ;; esac
		[ ! -e "$device_/pci_bus" ] && [ -e "$device_/iommu_group" ] || continue
		echo "$(group_of "${device_##*/}") ${device_##*/}"
	done | sort -u -k 1,1n | cut -d ' ' -f 2
}

# state_of GROUP: driver and override of each member.
state_of() {
	for member_ in $(members_of "$1"); do
		echo "$member_ $(driver_of "$member_") $(cat "$pci/$member_/driver_override")"
	done
}

# lend ADDRESS: its group goes to vfio-pci but for bridges, and is afterwards as it was.
lend() {
	number=$(group_of "$1")
	before=$(state_of "$number")
	expect_ok usher bind "$1"
	[ -c "/dev/vfio/$number" ] || fail "no node for group $number"
	for member in $(members_of "$number"); do
		if [ -e "$pci/$member/pci_bus" ]; then
			echo "$before" | grep -qF "$member $(driver_of "$member") " ||
				fail "bridge $member left its driver for $(driver_of "$member")"
		else
			expect_driver "$member" vfio-pci
		fi
	done
	expect_ok usher release "$1"
	expect_equal "group $number after the release" "$before" "$(state_of "$number")"
}

# every_group COUNT: one after the other, all of them there again at the end; and what belongs to
# the machine, or is behind no IOMMU, is refused.
every_group() {
	all=$(behind_ports)
	expect_equal 'the number of groups to lend' "$1" "$(echo "$all" | wc -l)"
	at_first=$(for n in /sys/kernel/iommu_groups/*; do state_of "${n##*/}"; done)
	for one in $all; do
		lend "$one"
	done
	expect_equal 'all groups' "$at_first" \
		"$(for n in /sys/kernel/iommu_groups/*; do state_of "${n##*/}"; done)"
	expect_equal 'the journal' '' "$(ls /run/usher/journal)"
	for device in "$pci"/*; do
		[ ! -e "$device/iommu_group" ] && [ ! -e "$device/pci_bus" ] || continue
		expect_status 3 usher bind "${device##*/}"
		expect_text 'is behind no IOMMU'
	done
	for host in 0000:00:00.0 0000:00:1f.0 0000:00:1f.2 0000:00:1b.0; do
		[ ! -e "$pci/$host" ] || expect_status 3 usher bind "$host"
	done
}
