# SPDX-License-Identifier: MIT
"""Sockets between guest and host, usher compared with QEMU: `./dev bench virtio vsock`.

Two guests work in turn, both at vhost-vsock: bytes a second to the guest and from it.
"""
import contextlib
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import time

from guests import Talk, needed, process_of, scripted

TOP = pathlib.Path(__file__).resolve().parent.parent
USHER = TOP / "build/src/cli/usher"
TALK = TOP / "build/test/live/vsock_talk"
PATIENCE = 3600  # [s] for a guest that stays for the whole bench
CIDS = {"usher": 1001, "qemu": 1002}
WAYS = {"to": 7001, "from": 7002}
BYTES = 16 << 20
CHUNK = bytes(1 << 16)
WAIT = 30  # [s]

# What comes at one port is dropped; at the other one comes a file of zeroes.
SERVER = f"""
dd if=/dev/zero of=/zeroes bs=1M count={BYTES >> 20} 2>/dev/null
while true; do {TALK} listen {WAYS["to"]} </dev/null >/dev/null; done &
while true; do {TALK} listen {WAYS["from"]} </zeroes >/dev/null; done &
echo 'guest: ready'
read -r word
"""


def words(peer, kernel, initrd, cmdline):
    if peer == "usher":
        return [str(USHER), "run", "--quiet", "--no-defaults", "--name", "vsock", "--kernel", kernel, "--initrd",
                initrd, "--memory", "256M", "--cmdline", cmdline, f"--vsock={CIDS[peer]}"]
    return ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-M", "q35", "-accel", "kvm", "-cpu", "host", "-m", "256", "-serial", "stdio",
            "-kernel", kernel, "-initrd", initrd, "-append", cmdline,
            "-device", "pcie-root-port,id=port0,chassis=0",
            "-device", f"vhost-vsock-pci,guest-cid={CIDS[peer]},bus=port0"]


def connected(cid, port):
    for _ in range(100):
        line = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
        line.settimeout(WAIT)
        with contextlib.suppress(OSError):
            line.connect((cid, port))
            return line
        line.close()
        time.sleep(0.05)
    sys.exit(f"bench: nobody answers at {cid}, port {port}")


def moved(cid, way):
    """Bytes a second, from the first byte to the peer's end."""
    with connected(cid, WAYS[way]) as line:
        start, count = time.monotonic(), 0
        while way == "to" and count < BYTES:
            line.sendall(CHUNK)
            count += len(CHUNK)
        line.shutdown(socket.SHUT_WR)
        while data := line.recv(len(CHUNK)):
            count += len(data)
        if count != BYTES:
            sys.exit(f"bench: {count} bytes of {BYTES} came")
        return count / (time.monotonic() - start)


def stop(guest, program):
    guest.process.kill()
    with contextlib.suppress(subprocess.CalledProcessError, ProcessLookupError):
        os.kill(process_of(program), 9)
    guest.end()


def measure(rounds, kernel, initrd, cmdline, bar):
    subprocess.run(["modprobe", "vhost_vsock"], check=True)
    archive = scripted(initrd, SERVER, needed(TALK), "/tmp/bench-vsock")
    found = {way: {peer: [] for peer in CIDS} for way in WAYS}
    with contextlib.ExitStack() as stack:
        for peer, program in (("usher", "usher-vmm"), ("qemu", "qemu-system-x86")):
            guest = Talk(words(peer, kernel, archive, cmdline), PATIENCE)
            stack.callback(stop, guest, program)
            guest.hear("ready")
        for n in range(rounds + 1):  # the first round warms up
            for way, rates in found.items():
                for peer in list(CIDS)[::1 if n % 2 else -1]:
                    rate = moved(CIDS[peer], way)
                    print(f"round {n}: vsock {way} {peer}: {rate / (1 << 20):.1f} MiB/s", flush=True)
                    if n:
                        rates[peer].append(rate)
    for way, rates in found.items():
        ratios = [ours / theirs for ours, theirs in zip(rates["usher"], rates["qemu"])]
        high = sorted(ratios)[len(ratios) * 3 // 4]
        each = {peer: statistics.median(rate) / (1 << 20) for peer, rate in rates.items()}
        print(f"vsock {way} the guest: usher {each['usher']:.1f}, QEMU {each['qemu']:.1f} MiB/s")
        bar(f"vsock.{way}_ratio", statistics.median(ratios), ">=", 1, short=high < 1)
