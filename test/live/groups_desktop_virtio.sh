#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: desktop
# iommu: virtio
. "${0%/*}/groups.sh"

# What is behind a PCI bridge this IOMMU does not cover.
every_group 2
