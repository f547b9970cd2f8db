# SPDX-License-Identifier: MIT
# Sourced by the tests groups_*.sh, one for each topology and IOMMU. They start few programs: in an
# emulated host a start costs more than usher's own work.
. "${0%/*}/lib.sh"

# behind_ports: one device of each group behind the topology's ports; on bus 0 is the machine's own.
behind_ports() {
	for group_ in /sys/kernel/iommu_groups/*; do
		for device_ in "$group_"/devices/*; do
			case ${device_##*/} in 0000:00:*) continue ;; esac
			[ ! -e "$device_/pci_bus" ] || continue
			echo "${device_##*/}"
			break
		done
	done
}

# state_of ADDRESS: driver and override of each member of its group.
state_of() {
	for member_ in "$pci/$1"/iommu_group/devices/*; do
		read -r override_ <"$member_/driver_override"
		driver_=$(readlink "$member_/driver") || driver_=none
		echo "${member_##*/} $driver_ $override_"
	done
}

# lend ADDRESS: bind moves its group to vfio-pci, without the bridges; release restores it all.
lend() {
	before=$(state_of "$1")
	expect_ok usher bind "$1"
	[ -c "/dev/vfio/$(group_of "$1")" ] || fail "no node for the group of $1"
	while read -r member driver _; do
		if [ -e "$pci/$member/pci_bus" ]; then
			expect_equal "$member, a bridge" "${driver##*/}" "$(driver_of "$member")"
		else
			expect_driver "$member" vfio-pci
		fi
	done <<-END
		$before
	END
	expect_ok usher release "$1"
	expect_equal "the group of $1 after the release" "$before" "$(state_of "$1")"
}

# every_group COUNT: lends one group after the other. usher refuses devices of the machine itself
# and devices behind no IOMMU. The runner checks afterwards that all drivers are as before.
every_group() {
	lent=0
	for one in $(behind_ports); do
		lend "$one"
		lent=$((lent + 1))
	done
	expect_equal 'the number of groups lent' "$1" $lent
	expect_equal 'the journal' '' "$(ls /run/usher/journal)"
	for device in "$pci"/*; do
		[ ! -e "$device/iommu_group" ] && [ ! -e "$device/pci_bus" ] || continue
		expect_status 3 usher bind "${device##*/}"
		expect_text 'is behind no IOMMU'
	done
	for host in 0000:00:00.0 0000:00:1f.2 0000:00:1b.0; do
		expect_status 3 usher bind "$host"
	done
}
