#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: minimal
# guest: small
# A device bound manually stays bound after a run; a run returns only what it bound itself.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"

disk=$(nvme_address)
expect_ok usher bind "$disk"
expect_driver "$disk" vfio-pci
expect_ok guest poweroff --device "$disk"
expect_driver "$disk" vfio-pci
expect_ok usher release "$disk"
expect_driver "$disk" nvme
wait_until 20 block_of "$disk"

# --return=vfio keeps the device isolated by the IOMMU until it is released.
expect_ok guest poweroff --device "$disk" --return vfio
expect_driver "$disk" vfio-pci
expect_ok usher release "$disk"
expect_driver "$disk" nvme

# Bound manually, then moved to its driver without usher: the journal's entry is stale.
expect_ok usher bind "$disk"
echo >"$pci/$disk/driver_override"
echo "$disk" >"$pci/$disk/driver/unbind"
echo "$disk" >/sys/bus/pci/drivers/nvme/bind
wait_until 20 block_of "$disk"
expect_ok guest poweroff --device "$disk"
expect_driver "$disk" nvme
expect_override "$disk" none
expect_equal 'the journal' '' "$(ls /run/usher/journal)"
