# SPDX-License-Identifier: MIT
"""Devices that other programs serve, usher compared with QEMU: part of ./dev bench virtio.

qcow2: usher has QEMU's storage daemon serve the image, QEMU does it itself, with an iothread. Shared
folders: both by the same virtiofsd. Exits are counted, too, those of the reading program's start among them:
they scatter less than rates. Shared memory: what it adds to the start of a guest with a disk, which usher-vmm
serves in private memory and the daemon in shared memory.
"""
import contextlib
import pathlib
import re
import socket
import statistics
import subprocess

from guests import Talk

WORK = pathlib.Path("/tmp/bench-user")
IMAGE_MIB = 64
PATIENCE = 3600  # [s] for a guest that stays for the whole bench
SECONDS = 0.5  # of a run; a round has two of each guest
SERVER = "/usr/lib/qemu/virtiofsd"
KVM = pathlib.Path("/sys/kernel/debug/kvm")
DEPTHS = (1, 32)

READER = """
wait_for /dev/vda
mkdir -p /share
mount -t virtiofs share /share && ln -s /share/file /dev/file
echo 'guest: ready'
while read -r disk depth seconds; do
	echo "guest: read $(@uring@ /dev/$disk $depth $seconds)"
done
"""
STARTER = """
read -r up rest </proc/uptime
echo "guest: began $up"
poweroff -f
"""


def prepare():
    """Two images with the same content, all of whose clusters are there, and a folder."""
    WORK.mkdir(exist_ok=True)
    (WORK / "share").mkdir(exist_ok=True)
    with open("/dev/urandom", "rb") as random:
        content = random.read(IMAGE_MIB << 20)
    (WORK / "raw").write_bytes(content)
    (WORK / "share/file").write_bytes(content)
    for name in ("ours", "theirs"):
        subprocess.run(["qemu-img", "convert", "-O", "qcow2", WORK / "raw", WORK / f"{name}.qcow2"], check=True)


def serve(stack):
    """A virtiofsd for QEMU. Return: the path of its socket."""
    path = WORK / "socket"
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        process = subprocess.Popen(
            [SERVER, f"--fd={listening.fileno()}", "-f", "-o", f"source={WORK}/share,sandbox=namespace,log_level=err"],
            stdin=subprocess.DEVNULL, pass_fds=[listening.fileno()])
        stack.callback(process.kill)
    return path


def qemu_words(words, path):
    """@words: of a guest with a raw disk. It gets this disk, and the folder."""
    drive = f"file={WORK}/theirs.qcow2,format=qcow2,if=none,id=d,cache=none,aio=native,file.locking=off"
    size = words[words.index("-m") + 1]
    return [*words, "-object", "iothread,id=io", "-device", "pcie-root-port,id=p0,chassis=10", "-drive", drive,
            "-device", "virtio-blk-pci,drive=d,iothread=io,bus=p0",
            "-object", f"memory-backend-memfd,id=ram,size={size}M,share=on", "-machine", "memory-backend=ram",
            "-chardev", f"socket,id=share,path={path}", "-device", "pcie-root-port,id=p1,chassis=11",
            "-device", "vhost-user-fs-pci,chardev=share,tag=share,bus=p1"]


class Guest(Talk):
    """A guest that reads, and its exits."""

    def __init__(self, words):
        before = set(KVM.glob("*-*"))
        super().__init__(words, PATIENCE)
        self.hear("ready")
        self.kvm, = set(KVM.glob("*-*")) - before

    def exits(self):
        return int((self.kvm / "exits").read_text())

    def read(self, name, depth):
        """Return: reads a second, exits a read."""
        before = self.exits()
        self.process.stdin.write(f"{name} {depth} {SECONDS}\n")
        self.process.stdin.flush()
        found = re.search(r"iops (\d+) of (\d+) reads", self.hear("read"))
        return float(found[1]), (self.exits() - before) / int(found[2])


def judge(name, pairs, limit, bar):
    ratios = [ours / theirs for ours, theirs in pairs]
    low, _, high = statistics.quantiles(ratios, n=4, method="inclusive")
    ours, theirs = (statistics.median(values) for values in zip(*pairs))
    print(f"{name}: usher {ours:.0f} reads/s, QEMU {theirs:.0f}, quartiles of the ratio {low:.3f} to {high:.3f}")
    bar(f"{name}.throughput_ratio", statistics.median(ratios), ">=", limit, short=high < limit)


def reading(rounds, usher, qemu, bar):
    """@usher, @qemu: words of guests without devices, which run READER."""
    with contextlib.ExitStack() as stack:
        theirs = Guest(qemu_words(qemu, serve(stack)))
        stack.callback(theirs.process.kill)
        ours = Guest([*usher, "--no-defaults", "--disk", f"{WORK}/ours.qcow2,format=qcow2", "--share",
                      f"{WORK}/share"])
        stack.callback(ours.process.kill)
        found, exits_of = {}, {}
        for n in range(rounds + 1):  # the first round warms up
            for name, what in (("vda", "qcow2"), ("file", "share")):
                for depth in DEPTHS:
                    # What slows the host for a second slows neither guest more than the other.
                    order = (ours, theirs, theirs, ours) if n % 2 else (theirs, ours, ours, theirs)
                    iops, exits = {ours: 0.0, theirs: 0.0}, {ours: 0.0, theirs: 0.0}
                    for guest in order:
                        rate, each = guest.read(name, depth)
                        iops[guest] += rate / 2
                        exits[guest] += each / 2
                    print(f"round {n}: {what} depth {depth}: usher {iops[ours]:.0f}/s, {exits[ours]:.2f} exits, "
                          f"QEMU {iops[theirs]:.0f}/s, {exits[theirs]:.2f} exits", flush=True)
                    if n:
                        found.setdefault((what, depth), []).append((iops[ours], iops[theirs]))
                        exits_of.setdefault((what, depth), []).append((exits[ours], exits[theirs]))
    for (what, depth), pairs in found.items():
        mine, its = (statistics.median(values) for values in zip(*exits_of[what, depth]))
        print(f"{what}.depth{depth}: exits a read: usher {mine:.2f}, QEMU {its:.2f}")
        judge(f"{what}.depth{depth}", pairs, 0.95 if what == "qcow2" else 1, bar)


def start_ms(words):
    """From the start of usher-vmm to the guest's first program."""
    guest = Talk(words)
    up = float(guest.hear("began").split()[-1])
    told = dict(re.findall(r"^timing: (\S+)_ms ([0-9.]+)", guest.end(), re.M))
    return float(told["own"]) + float(told["ioctl"]) + 1000 * up


def starting(rounds, words, bar):
    disks = {"private": f"{WORK}/raw", "shared": f"{WORK}/ours.qcow2,format=qcow2"}
    ways = {way: [*words, "--no-defaults", "--disk", disk] for way, disk in disks.items()}
    found = {way: [] for way in ways}
    for n in range(rounds + 1):
        for way in list(ways) if n % 2 else list(ways)[::-1]:
            ms = start_ms(ways[way])
            print(f"round {n}: {way} memory: {ms:.0f} ms", flush=True)
            if n:
                found[way].append(ms)
    ratios = [shared / private for shared, private in zip(found["shared"], found["private"])]
    bar("start.shared_ratio", statistics.median(ratios), "<=", 1.1)
