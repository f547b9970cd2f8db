# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# Sourced by the live tests of VFIO: puts devices on vfio-pci by plain sysfs writes, so that these
# tests hang on nothing but the kernel. bind_vfio ADDRESS…; group_of ADDRESS.

group_of() {
	basename "$(readlink "/sys/bus/pci/devices/$1/iommu_group")"
}

bind_vfio() {
	# The second is only a soft dependency of vfio, which kmod does not load for vfio-pci.
	modprobe -a vfio-pci vfio_iommu_type1
	for address; do
		dev=/sys/bus/pci/devices/$address
		echo vfio-pci >"$dev/driver_override"
		if [ -e "$dev/driver" ]; then
			echo "$address" >"$dev/driver/unbind"
		fi
		echo "$address" >/sys/bus/pci/drivers_probe
	done
}
