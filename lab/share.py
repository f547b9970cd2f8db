# SPDX-License-Identifier: MIT
"""Daemons of virtiofs, one for each chardev=NAME of a topology; each serves an empty folder.

A daemon maps the memory of the emulated host, so that memory has to be shared. It needs root, and
newer packages of QEMU do not have it: then the lab leaves these devices out.
"""
import os
import pathlib
import socket
import subprocess

import topology

DAEMON = pathlib.Path("/usr/lib/qemu/virtiofsd")


def without_daemon(devices):
    """The devices without those that need a daemon, if no daemon can run here."""
    if DAEMON.exists() and os.geteuid() == 0:
        return devices
    return [device for device in devices if not topology.back_ends([device], "chardev")]


def start(devices, run, memory):
    """The processes, and the arguments by which QEMU finds them."""
    processes, arguments = [], []
    for name in topology.back_ends(devices, "chardev"):
        processes.append(serve(run, name))
        arguments += ["-chardev", f"socket,id={name},path={run / name}.sock"]
    if processes:
        arguments += ["-object", f"memory-backend-memfd,id=ram,size={memory},share=on",
                      "-machine", "memory-backend=ram"]
    return processes, arguments


def serve(run, name):
    folder = run / name
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{folder}.sock")
        listening.listen()
        # setpriv: the kernel kills the daemon when this process ends, for any reason.
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", DAEMON, f"--fd={listening.fileno()}", "-f",
             "-o", f"source={folder},sandbox=chroot"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True, pass_fds=[listening.fileno()])
