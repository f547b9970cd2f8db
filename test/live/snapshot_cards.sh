#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: cards
# A snapshot of a machine full of cards, with USB and SCSI disks behind them, replays.
. "${0%/*}/lib.sh"
. "${0%/*}/replay.sh"

replay_all
expect_ok usher list -n --json --host "$work/exact.host"
expect_text '"driver": "megaraid_sas"'
expect_text '"driver": "xhci_hcd"'
