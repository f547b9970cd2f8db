#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: server
# iommu: virtio
. "${0%/*}/groups.sh"

every_group 4
