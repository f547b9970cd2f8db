#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: desktop
# iommu: intel
. "${0%/*}/groups.sh"

every_group 3
