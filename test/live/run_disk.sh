#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: minimal
# An NVMe disk goes into a guest of usher-vmm, is read there, and comes back.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"

disk=$(nvme_address)
block=$(block_of "$disk")
before=$(disk_checksum "$block")

expect_ok guest checksum --device "$disk" --timing
expect_text "guest: nvme0n1 $before"
expect_text "$disk: nvme -> vfio-pci"
expect_text "$disk: vfio-pci -> nvme"
expect_driver "$disk" nvme
expect_override "$disk" none
wait_until 20 test -b "/dev/$block"
expect_equal 'the disk afterwards' "$before" "$(disk_checksum "$block")"
expect_equal 'the journal' '' "$(ls /run/usher/journal)"

# Once more: a device that was lent once can be lent again.
expect_ok guest checksum --device "$disk" --quiet
expect_text "guest: nvme0n1 $before"
expect_no_text 'vfio-pci ->'
