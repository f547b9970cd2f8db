# SPDX-License-Identifier: MIT
"""Descriptions of emulated hosts: lab/topology/NAME, one QEMU device a line, # for comments.

A device with drive=NAME gets a disk with the lab's pattern, a device with netdev=NAME a network without
a way out, a device with chardev=NAME an empty folder (share.py). from:FILE is a host of the same shape as
the one in that snapshot (shape.py).
"""
import pathlib
import re

import cache
import shape

HOME = pathlib.Path(__file__).parent / "topology"
TOP = HOME.parent.parent
FROM = "from:"


def names():
    return sorted(p.name for p in HOME.iterdir())


def notes(name):
    """The parts of another host's shape that could not be kept."""
    return shape.describe(TOP / name.removeprefix(FROM)).notes if name.startswith(FROM) else []


def devices(name):
    if name.startswith(FROM):
        return shape.describe(TOP / name.removeprefix(FROM)).devices
    path = HOME / name
    if not path.is_file():
        raise cache.LabError(f"no topology '{name}'; there are: {', '.join(names())}")
    lines = (line.split("#")[0].strip() for line in path.read_text().splitlines())
    return [line for line in lines if line]


def back_ends(devices, key):
    """The NAMEs of key=NAME in all devices, each once, in order."""
    found = (re.search(rf"(?:^|,){key}=([^,]+)", device) for device in devices)
    return list(dict.fromkeys(match[1] for match in found if match))
