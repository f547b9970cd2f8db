#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: desktop
# A script written for vfio-pci-bind gets the same results from usher: arguments and exit statuses.
. "${0%/*}/lib.sh"

card=$(e1000e_address)
edu=$(edu_address)
group=$(group_of "$card")
ln -s "$(command -v usher)" "$work/vfio-pci-bind.sh"
bind="$work/vfio-pci-bind.sh"

expect_status 1 "$bind"
expect_text 'no device given'
expect_status 1 "$bind" 0000:ff:00.0
expect_status 1 "$bind" "$card" 8086:100e
expect_text 'expected 8086:100e'
expect_status 1 "$bind" 8086:10d3 01x00.0
expect_status 1 "$bind" ffff:ffff
expect_driver "$card" e1000e

SUDO_UID=1000 SUDO_GID=1001 expect_ok "$bind" 8086:10d3
expect_driver "$card" vfio-pci
expect_equal 'the owner' 1000:1001 "$(stat -c %u:%g "/dev/vfio/$group")"
expect_ok "$bind" "${card#0000:}" 8086:10d3
expect_text "$card: is on vfio-pci already"
expect_ok usher release "$card"
expect_driver "$card" e1000e

# With two addresses the last one counts.
expect_ok usher vfio-pci-bind "$card" "$edu"
expect_driver "$edu" vfio-pci
expect_driver "$card" e1000e
expect_ok usher release "$edu"
