#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: server
# A snapshot of a host with virtual functions and a switch replays.
. "${0%/*}/lib.sh"
. "${0%/*}/replay.sh"

disk=$(nvme_address)
echo 0 >"$pci/$disk/sriov_drivers_autoprobe"
echo 2 >"$pci/$disk/sriov_numvfs"
at_exit "echo 0 >$pci/$disk/sriov_numvfs; echo 1 >$pci/$disk/sriov_drivers_autoprobe"
replay_all
expect_ok usher list --json --host "$work/exact.host" "$disk"
