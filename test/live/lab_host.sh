#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: desktop
# boot: own
# The emulated host is what its description says. All other tests here depend on that.
. "${0%/*}/lib.sh"

nvme=$(nvme_address) || fail 'no NVMe disk'
nic=$(e1000e_address) || fail 'no network card'
edu=$(edu_address) || fail 'no edu device'
card=$(e1000_address) || fail 'no old network card'

expect_driver "$nvme" nvme
expect_driver "$nic" e1000e
expect_driver "$card" e1000
expect_driver "$edu" none
expect_override "$nvme" none

expect_equal 'members of the NVMe group' "$nvme" "$(members_of "$(group_of "$nvme")")"
bridge=$(basename "$(dirname "$(readlink -f "$pci/$edu")")")
expect_equal 'members of the group behind the bridge' "$bridge $card $edu" \
	"$(echo $(members_of "$(group_of "$edu")"))"

[ -c /dev/kvm ] || fail 'no /dev/kvm'
[ ! -e /sys/module/vfio_pci ] || fail 'vfio-pci is loaded, and that is usher to do'

disk=$(block_of "$nvme") || fail 'the NVMe disk has no block device'
sum=$(dd "if=/dev/$disk" bs=1M count=8 iflag=direct 2>/dev/null | sha256sum)
expect_equal 'checksum of the disk' "$USHER_LAB_DISK_SHA256" "${sum%% *}"
