#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: desktop
# iommu: virtio
. "${0%/*}/groups.sh"

# The virtual IOMMU does not cover devices behind a PCI bridge.
every_group 2
