#!/bin/sh
# SPDX-License-Identifier: MIT
# iommu: none
# Without an IOMMU usher lends nothing, and the message says how to turn it on.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"

disk=$(nvme_address)
expect_status 3 guest poweroff --device "$disk"
expect_text 'IOMMU'
expect_text 'firmware'
expect_driver "$disk" nvme
expect_override "$disk" none
expect_ok usher list
expect_text "$disk"

# `usher check` reports the same for the host, with the evidence.
expect_status 3 usher check
expect_text 'H01'
expect_text '/sys/firmware/acpi/tables'
