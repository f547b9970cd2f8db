#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: server
# iommu: intel
. "${0%/*}/groups.sh"

every_group 4
