# SPDX-License-Identifier: MIT
"""./dev lab: an emulated host with an IOMMU, PCI devices and KVM, on any machine."""
import argparse
import os
import subprocess
import sys

import cache
import machine
import session
import topology


def arguments():
    parser = argparse.ArgumentParser(
        prog="./dev lab",
        description="Run a command, or a shell, in an emulated host that has an IOMMU, PCI devices"
                    " and KVM. This machine's files are its root, read-only below an overlay.",
        epilog="Exit status: the command's; 124 when it took too long, 125 when the lab failed."
               " In a shell, Ctrl-] leaves at once.")
    parser.add_argument("--topology", default="minimal", help="one of: " + ", ".join(topology.names()))
    parser.add_argument("--from", dest="origin", metavar="FILE",
                        help="a host of the same shape as another, of which FILE is a snapshot ('usher snapshot FILE');"
                        " tells what could not be kept")
    parser.add_argument("--iommu", default="intel", choices=list(machine.IOMMUS))
    parser.add_argument("--no-kvm", action="store_true", help="a CPU without virtualisation: no /dev/kvm")
    parser.add_argument("--memory", default="2G")
    parser.add_argument("--kernel", metavar="VERSION", help="a version that apt knows, such as 6.1;"
                        " small: our own, as for guests")
    parser.add_argument("--guest", default="same", choices=["same", "small"], help="the kernel of guests"
                        " in there: the same one, or a small one of our own, built once (about 10 minutes)")
    parser.add_argument("--disk", default="none", choices=["none", "debian"], help="one more disk: Debian's,"
                        " for a guest, made once (about 3 minutes)")
    parser.add_argument("--persist", metavar="NAME", help="mount the disk image of that name at /persist;"
                        " it is kept")
    parser.add_argument("--init", default="agent", choices=["agent", "systemd"],
                        help="systemd: boot with it and its udevd")
    parser.add_argument("--argument", default="none", metavar="WORD",
                        help="one more argument for the kernel's command line")
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="for the command, after the boot")
    parser.add_argument("--boot-timeout", type=float, metavar="SECONDS", default=session.BOOT_SECONDS,
                        help=f"for the boot (default: {session.BOOT_SECONDS})")
    parser.add_argument("--qmp", metavar="PATH", help="the path for QEMU's QMP socket")
    parser.add_argument("--quiet", action="store_true", help="no progress messages")
    parser.add_argument("command", nargs="*", metavar="-- COMMAND")
    asked = parser.parse_args()
    if asked.command and "--" not in sys.argv:
        parser.error(f"unknown word '{asked.command[0]}'; a command comes after '--'")
    return asked


def main():
    asked = arguments()
    cache.quiet = asked.quiet
    session.die_on_signals()
    if asked.origin:
        asked.topology = topology.FROM + os.path.abspath(asked.origin)
    wish = machine.Wish(topology=asked.topology, iommu=asked.iommu, kvm=not asked.no_kvm,
                        memory=asked.memory, kernel=asked.kernel, persist=asked.persist, init=asked.init,
                        argument=asked.argument, guest=asked.guest, disk=asked.disk)
    try:
        for note in topology.notes(asked.topology):
            cache.say(note)
        return session.run(wish, asked.command or None, timeout=asked.timeout, qmp=asked.qmp,
                           boot_timeout=asked.boot_timeout)
    except session.Ended as end:
        return end.status
    except (cache.LabError, subprocess.CalledProcessError, OSError) as error:
        print(f"lab: {error}", file=sys.stderr)
        return session.LAB_FAILED


sys.exit(main())
