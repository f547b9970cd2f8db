#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: desktop
# iommu: virtio
. "${0%/*}/groups.sh"

every_group 3
