#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: minimal
# The keeper is killed: the guest stops by itself, and restore brings the device back.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"

disk=$(nvme_address)
start_guest sleep --device "$disk"
vmm=$(vmm_pid)
kill -9 "$keeper"
wait "$keeper" 2>/dev/null
wait_until 10 test ! -e "/proc/$vmm"
expect_driver "$disk" vfio-pci
expect_ok usher restore
expect_text "$disk: vfio-pci -> nvme"
expect_driver "$disk" nvme
expect_override "$disk" none
expect_equal 'the journal' '' "$(ls /run/usher/journal)"
expect_ok usher restore
