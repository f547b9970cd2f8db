#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes to the Slot Control register of a port, behind the kernel's back.

slot.py PORT cut: the slot's power fails; its indicator stays on, so the emulation keeps the card
slot.py PORT feed: the power is back
slot.py PORT deaf: the port reports no event of its slot
"""
import struct
import sys

CAPABILITY_POINTER = 0x34
PCI_EXPRESS = 0x10
SLOT_CONTROL = 0x18
POWER_OFF = 0x0400
EVENTS = 0x1039  # data link layer state, hot-plug interrupt, presence, button


def main():
    with open(f"/sys/bus/pci/devices/{sys.argv[1]}/config", "r+b", buffering=0) as config:
        space = config.read(256)
        at = space[CAPABILITY_POINTER]
        while space[at] != PCI_EXPRESS:
            at = space[at + 1]
        at += SLOT_CONTROL
        value = struct.unpack_from("<H", space, at)[0]
        value = {"cut": value | POWER_OFF, "feed": value & ~POWER_OFF, "deaf": value & ~EVENTS}[sys.argv[2]]
        config.seek(at)
        config.write(struct.pack("<H", value))


main()
