#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: server
# A virtual function whose physical function is on vfio-pci as well opens only with the token.
. "${0%/*}/lib.sh"

pf=$(nvme_address)
to_vfio "$pf"
parameter=/sys/module/vfio_pci/parameters/enable_sriov
read -r before <"$parameter"
at_exit "echo $before >$parameter"
echo Y >"$parameter"
expect_status 0 "$top/build/test/live/lib_token" "$pf"
cat "$work/out"
expect_no_text 'not ok'
expect_text 'ok closed in order'
