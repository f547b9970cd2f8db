# SPDX-License-Identifier: MIT
"""vfio_hold.py ADDRESS: opens a VFIO device, says so, and keeps it until its input ends."""
import ctypes
import fcntl
import os
import sys

# linux/vfio.h: _IO(';', 100 + n)
GROUP_SET_CONTAINER, SET_IOMMU, GROUP_GET_DEVICE_FD = 0x3B68, 0x3B66, 0x3B6A
TYPE1_IOMMU = 1

address = sys.argv[1]
group_number = os.path.basename(os.readlink(f"/sys/bus/pci/devices/{address}/iommu_group"))
container = os.open("/dev/vfio/vfio", os.O_RDWR)
group = os.open(f"/dev/vfio/{group_number}", os.O_RDWR)
fcntl.ioctl(group, GROUP_SET_CONTAINER, ctypes.c_int(container))
fcntl.ioctl(container, SET_IOMMU, TYPE1_IOMMU)
device = fcntl.ioctl(group, GROUP_GET_DEVICE_FD, address.encode() + b"\0")
print("open", flush=True)
sys.stdin.read()
