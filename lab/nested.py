# SPDX-License-Identifier: MIT
"""The initramfs of the guest inside the emulated host. The guest runs lab/guest-init."""
import pathlib

import initramfs

HERE = pathlib.Path(__file__).parent
APPLETS = ["sh", "mount", "insmod", "dd", "sha256sum", "cut", "sleep", "poweroff", "reboot", "ip", "cat"]
MODULES = ["nvme", "e1000e", "virtio_pci", "virtio_net", "virtio_blk"]


def archive(booted):
    """Makes or finds it, for the kernel of the emulated host."""
    return initramfs.build("guest", booted, APPLETS, MODULES, {"init": HERE / "guest-init"})
