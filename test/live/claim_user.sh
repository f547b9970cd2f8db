#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: desktop
# A claim for a user whose device shares its group with another: refused unless --allow permits it.
# The permission then also applies to 'usher apply'.
. "${0%/*}/lib.sh"

edu=$(edu_address) || fail 'no edu device'
old=$(e1000_address) || fail 'no e1000 beside it'
at_exit "usher release $edu >/dev/null 2>&1; usher unclaim $edu >/dev/null 2>&1"

expect_status 3 usher claim "$edu" --user 1000
expect_text '[user]'
expect_ok usher claim "$edu" --user 1000 --allow user
expect_ok usher apply
expect_driver "$edu" vfio-pci
expect_driver "$old" vfio-pci
expect_equal 'the owner of its node' 1000 "$(stat -c %u "/dev/vfio/$(group_of "$edu")")"
expect_ok usher release "$edu"
expect_driver "$old" e1000
expect_ok usher unclaim "$edu"
expect_ok usher apply
expect_driver "$edu" none
expect_status 2 usher claim "$edu" --user 'some one'
