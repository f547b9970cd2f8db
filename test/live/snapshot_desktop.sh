#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: desktop
# A snapshot of a host with a group of several devices shows why they share it, as the host does.
. "${0%/*}/lib.sh"
. "${0%/*}/replay.sh"

replay_all
expect_ok usher show -n --host "$work/exact.host" "$(edu_address)"
expect_text "(PCIe-to-PCI bridge) cannot isolate devices"
