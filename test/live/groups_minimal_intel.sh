#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: minimal
# iommu: intel
. "${0%/*}/groups.sh"

every_group 2
