#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Opens a device as root, and executes a program as an ordinary user that inherits it.

handed.py group|ready|device ADDRESS GROUP MEMLOCK USER COMMAND…

Descriptor 8 is a new VFIO container. Descriptor 9 is the group, not in the container; the group, in
it (ready); or the device. MEMLOCK [bytes]: the limit of locked memory. LISTEN_* name both, too.
"""
import fcntl
import os
import resource
import struct
import sys

SET_IOMMU, GROUP_SET_CONTAINER, GROUP_GET_DEVICE_FD = 0x3b66, 0x3b68, 0x3b6a
TYPE1V2 = 3


def main():
    what, address, number, memlock, user = sys.argv[1:6]
    container = os.open("/dev/vfio/vfio", os.O_RDWR)
    given = group = os.open(f"/dev/vfio/{number}", os.O_RDWR)
    if what != "group":
        fcntl.ioctl(group, GROUP_SET_CONTAINER, struct.pack("i", container))
        fcntl.ioctl(container, SET_IOMMU, TYPE1V2)
    if what == "device":
        given = fcntl.ioctl(group, GROUP_GET_DEVICE_FD, bytearray(address.encode() + b"\0"), True)
    os.dup2(container, 8)
    os.dup2(given, 9)
    for fd in range(3, 8):
        os.dup2(8, fd)
        os.set_inheritable(fd, False)
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (int(memlock), int(memlock)))
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="7",
                      LISTEN_FDNAMES="a:a:a:a:a:space:card")
    os.setgroups([])
    os.setresgid(int(user), int(user), int(user))
    os.setresuid(int(user), int(user), int(user))
    os.execvp(sys.argv[6], sys.argv[6:])


if __name__ == "__main__":
    main()
