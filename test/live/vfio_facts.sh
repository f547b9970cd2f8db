#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: desktop
# The kernel's VFIO behaves as usher expects: a message or a step of usher depends on each row of
# vfio_facts.
. "${0%/*}/lib.sh"

nvme=$(nvme_address) || fail 'no NVMe disk'
edu=$(edu_address) || fail 'no edu device'
e1000=$(e1000_address) || fail 'no e1000 behind the bridge'
to_vfio "$nvme" "$edu"
expect_ok "$top/build/test/live/vfio_facts" "$nvme" "$(group_of "$nvme")"
expect_no_text 'not ok'

# A group in use by the host is not viable, and the message names the member in the way.
expect_status 1 "$top/build/test/live/vfio_dump" "$edu" "$(group_of "$edu")"
expect_text "not viable: $e1000 is on 'e1000'"
