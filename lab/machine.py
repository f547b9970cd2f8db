# SPDX-License-Identifier: MIT
"""The emulated host as a QEMU command line, and its life as a process."""
import dataclasses
import os
import pathlib
import socket
import subprocess

import disk
import share
import topology

# Software emulation with one CPU: with two, QEMU 7.2 makes the kernel oops now and then, and is slower.
# The emulation has only AMD's nested virtualisation, so the CPU is AMD's.
CPU = "EPYC"

IOMMUS = {
    "intel": ["-device", "intel-iommu,intremap=on,caching-mode=on"],
    "virtio": ["-device", "virtio-iommu-pci,addr=19.0"],
    "none": [],
}

# Ports of the virtio serial device: /dev/virtio-ports/usher.NAME in the emulated host.
PORTS = ["control", "stdin", "stdout", "stderr", "qmp", "pulse"]

KERNEL_COMMAND_LINE = [
    "console=ttyS0", "quiet", "loglevel=4",
    "panic=-1", "oops=panic",  # an oops ends the boot at once: later results would mean nothing
    "mitigations=off", "nokaslr", "norandmaps", "no_timer_check", "audit=0", "apparmor=0",
    "random.trust_cpu=on", "cryptomgr.notests", "rcupdate.rcu_expedited=1",
]


@dataclasses.dataclass
class Wish:
    """The properties of the emulated host."""
    topology: str = "minimal"
    iommu: str = "intel"
    kvm: bool = True
    memory: str = "2G"
    kernel: str | None = None
    persist: str | None = None
    init: str = "agent"
    guest: str = "same"  # or "small": the kernel of guests in the emulated host
    argument: str = "none"
    disk: str = "none"  # or "debian": one more disk, for a guest in the emulated host


class Machine:
    """A running QEMU. `ports` are the host ends of the serial ports; QEMU dies with this process."""

    def __init__(self, wish, kernel, initramfs, run, settings, persist=None, image=None,
                 qmp=None):
        self.console = run / "console.log"
        self.qemu_log = run / "qemu.log"
        self.qmp = qmp or run / "qmp.sock"
        self.ports = {}
        passed = {}
        for name in ("control", "stdin", "stdout", "stderr", "tty", "pulse"):
            self.ports[name], passed[name] = socket.socketpair()
        passed["monitor"], passed["qmp"] = socket.socketpair()
        devices = share.without_daemon(topology.devices(wish.topology))
        self.daemons, folders = share.start(devices, run, wish.memory)
        arguments = [
            *board(wish, kernel, initramfs, settings),
            *lab_devices(passed, persist, image),
            *folders,
            *described_devices(devices),
            "-serial", f"file:{self.console}",
            "-qmp", f"unix:{self.qmp},server=on,wait=off",
        ]
        # setpriv: the kernel kills QEMU when this process ends, for any reason.
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", "qemu-system-x86_64", *arguments],
            stdin=subprocess.DEVNULL, stdout=self.qemu_log.open("wb"),
            stderr=subprocess.STDOUT, start_new_session=True,
            pass_fds=[s.fileno() for s in passed.values()])
        for end in passed.values():
            end.close()

    def kill(self):
        for process in [self.process, *self.daemons]:
            process.kill()
            process.wait()
        for port in self.ports.values():
            port.close()
        pathlib.Path(self.qmp).unlink(missing_ok=True)


def board(wish, kernel, initramfs, settings):
    irqchip = "" if wish.iommu == "none" else ",kernel-irqchip=split"
    words = [*KERNEL_COMMAND_LINE, "intel_iommu=on" if wish.iommu == "intel" else "",
             *(f"usher.{key}={value}" for key, value in settings.items()),
             wish.argument if wish.argument != "none" else ""]
    return [
        "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
        "-machine", "q35,vmport=off" + irqchip, "-accel", "tcg", "-smp", "1", "-m", wish.memory,
        "-cpu", CPU if wish.kvm else CPU + ",svm=off",
        "-kernel", str(kernel.vmlinux), "-initrd", str(initramfs), "-append", " ".join(filter(None, words)),
        *IOMMUS[wish.iommu],
    ]


def lab_devices(passed, persist, image):
    """The lab's own devices, in high slots; topologies use the low ones."""
    arguments = [
        "-fsdev", "local,id=host,path=/,security_model=none,readonly=on,multidevs=remap",
        "-device", "virtio-9p-pci,addr=1a.0,fsdev=host,mount_tag=host",
        "-device", "virtio-serial-pci,addr=1b.0,id=lab",
        "-chardev", f"socket,id=tty,fd={passed['tty'].fileno()}",
        "-device", "virtconsole,bus=lab.0,chardev=tty",
        # The QMP monitor, connected to a port of the machine that it controls: a test inside can
        # unplug devices of its own machine.
        "-chardev", f"socket,id=monitor,fd={passed['monitor'].fileno()}",
        "-mon", "chardev=monitor,mode=control",
    ]
    for name in PORTS:
        arguments += [
            "-chardev", f"socket,id={name},fd={passed[name].fileno()}",
            "-device", f"virtserialport,bus=lab.0,chardev={name},name=usher.{name}",
        ]
    if persist:
        arguments += [
            "-drive", f"file={persist},if=none,id=persist,format=raw",
            "-device", "virtio-blk-pci,addr=1c.0,drive=persist,serial=persist",
        ]
    if image:
        arguments += [
            "-drive", f"file={image},if=none,id=image,format=raw,snapshot=on",
            "-device", "virtio-blk-pci,addr=1d.0,drive=image,serial=image",
        ]
    return arguments


def described_devices(devices):
    arguments = []
    for name in topology.back_ends(devices, "drive"):
        arguments += ["-drive", f"file={disk.pattern()},if=none,id={name},format=raw,snapshot=on"]
    for name in topology.back_ends(devices, "netdev"):
        # It answers pings and serves the start of the disks by TFTP.
        arguments += ["-netdev", f"user,id={name},restrict=on,tftp={disk.tftp()}"]
    for device in devices:
        arguments += ["-device", device]
    return arguments
