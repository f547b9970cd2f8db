# SPDX-License-Identifier: MIT
"""The network cards of ./dev bench virtio: at a tap with vhost-net, and at passt."""
import collections
import contextlib
import os
import pathlib
import re
import socket
import statistics
import subprocess
import sys
import time

from guests import Talk, needed, process_of, scripted

TOP = pathlib.Path(__file__).resolve().parent.parent
USHER = TOP / "build/src/cli/usher"
LOAD = TOP / "build/bench/net_load"
PORT = 7100
PATIENCE = 3600  # [s] for a guest that stays for the whole bench
SECONDS = 2  # of a run that is timed
TRACED_SECONDS = 8  # of a run that is counted, after as many
WAYS = {"s": "sends", "g": "gets", "a": "answers"}
TAPS = {"usher": ("netu", "10.7.1"), "qemu": ("netq", "10.7.2")}
HOST = "10.8.0.1"  # by passt
LEAST = {"vhost": 0.98, "user": 1.0}

# The guest waits, and loads what it is told: HOST WAY SECONDS. Its first card is at the tap.
LOADER = f"""
cat >/lease <<'END'
#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr add $ip/$mask dev $interface
ip route add default via $router dev $interface
END
chmod +x /lease
ip link set lo up
ip link set eth0 up
ip addr add @net@.2/24 dev eth0
ip link set eth1 up
udhcpc -i eth1 -s /lease -n -q -t 10 >/dev/null 2>&1
echo 'guest: ready'
while read -r host way seconds; do
	echo "guest: load $({LOAD} $way $host {PORT} $seconds 2>&1)"
done
"""


def usher_words(kernel, initrd, cmdline, tap):
    return [str(USHER), "run", "--quiet", "--name", "net", "--kernel", kernel, "--initrd", initrd,
            "--memory", "256M", "--cmdline", cmdline, "--net", f"tap={tap}", "--net", "user"]


def qemu_words(kernel, initrd, cmdline, tap, line):
    return ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-M", "q35", "-accel", "kvm", "-cpu", "host", "-m", "256", "-serial", "stdio",
            "-kernel", kernel, "-initrd", initrd, "-append", cmdline,
            "-device", "pcie-root-port,id=port0,chassis=0", "-device", "pcie-root-port,id=port1,chassis=1",
            "-netdev", f"tap,id=n0,ifname={tap},script=no,downscript=no,vhost=on",
            "-device", "virtio-net-pci,netdev=n0,bus=port0,mac=02:00:00:00:02:01",
            "-netdev", f"stream,id=n1,server=off,addr.type=fd,addr.str={line}",
            "-device", "virtio-net-pci,netdev=n1,bus=port1,mac=02:00:00:00:02:02"]


class Loader(Talk):
    def __init__(self, words, fds=()):
        super().__init__(words, PATIENCE, fds)
        self.hear("ready")

    def load(self, host, way, seconds):
        """Return: (bytes or answers each second, all of them)"""
        self.ask(host, way, seconds)
        return self.answer()

    def ask(self, host, way, seconds):
        self.process.stdin.write(f"{host} {way} {seconds}\n")
        self.process.stdin.flush()

    def answer(self):
        said = self.hear("load")
        found = re.search(r"rate (\d+) of (\d+)", said)
        if not found:
            sys.exit(f"bench: the guest loads nothing: {said}")
        return float(found[1]), int(found[2])

    def end_now(self, program=None):
        """@program: what runs the guest, if the process that was started does not."""
        self.process.kill()
        if program:
            with contextlib.suppress(subprocess.CalledProcessError, ProcessLookupError):
                os.kill(process_of(program), 9)
        self.end()


def network_make():
    """Taps; a way out, which leads nowhere, so that passt has a network to show; and a server."""
    for command in ("ip link set lo up", f"ip addr add {HOST}/32 dev lo", "ip tuntap add netup mode tap",
                    "ip addr add 10.9.0.5/24 dev netup", "ip link set netup up",
                    "ip route add default via 10.9.0.254 dev netup",
                    *(line for tap, net in TAPS.values() for line in (
                        f"ip tuntap add {tap} mode tap", f"ip addr add {net}.1/24 dev {tap}",
                        f"ip link set {tap} up"))):
        subprocess.run(command.split(), check=True)


def passt_start():
    """As usher starts it. Return: (process, QEMU's end)"""
    ours, theirs = socket.socketpair()
    return subprocess.Popen(["passt", "--foreground", "--quiet", "--fd", str(theirs.fileno()), "--no-map-gw",
                             "--runas", "2020963073:2020963073"], pass_fds=[theirs.fileno()]), ours


def guests_start(stack, kernel, initrd, cmdline):
    archives = {peer: scripted(initrd, LOADER.replace("@net@", net), needed(LOAD), f"/tmp/bench-net-{peer}")
                for peer, (_, net) in TAPS.items()}
    ours = Loader(usher_words(kernel, archives["usher"], cmdline, TAPS["usher"][0]))
    stack.callback(ours.end_now, "usher-vmm")
    passt, line = passt_start()
    stack.callback(passt.kill)
    qemu = Loader(qemu_words(kernel, archives["qemu"], cmdline, TAPS["qemu"][0], line.fileno()), [line.fileno()])
    stack.callback(qemu.end_now)
    return {"usher": ours, "qemu": qemu}


def frames(tap):
    stats = pathlib.Path(f"/sys/class/net/{tap}/statistics")
    return sum(int((stats / name).read_text()) for name in ("rx_packets", "tx_packets"))


class Calls:
    """System calls of threads, counted by the kernel: all but ioctl(2) of a processor, which is KVM_RUN."""

    EVENT = pathlib.Path("/sys/kernel/tracing/events/raw_syscalls/sys_enter")
    TRIGGER = "hist:keys=common_pid,id:size=4096"
    IOCTL = 16  # x86-64's number

    def __enter__(self):
        (self.EVENT / "trigger").write_text(self.TRIGGER)
        return self

    def __exit__(self, *_):
        (self.EVENT / "trigger").write_text("!" + self.TRIGGER)

    def count(self, process):
        """Return: how many, by thread and number of the call"""
        threads = {int(path.name): (path / "comm").read_text().strip()
                   for path in pathlib.Path(f"/proc/{process}/task").iterdir()}
        rows = re.findall(r"\{ common_pid:\s+(\d+), id:\s+(\d+) \} hitcount:\s+(\d+)",
                          (self.EVENT / "hist").read_text())
        return collections.Counter({f"{threads[int(thread)]}:{call}": int(n) for thread, call, n in rows
                                    if int(thread) in threads and not (threads[int(thread)].startswith("vcpu ")
                                                                       and int(call) == self.IOCTL)})


def calls_of_a_frame(guest):
    """System calls of usher-vmm for a frame at vhost-net: those that it does not make in as long a silence, in which
    the main thread looks for output of the serial port once a second."""
    vmm = process_of("usher-vmm")
    tap, net = TAPS["usher"]
    with Calls() as calls:
        before = calls.count(vmm)
        time.sleep(TRACED_SECONDS)
        silent = calls.count(vmm) - before
        guest.ask(net + ".1", "s", 3 * TRACED_SECONDS)
        time.sleep(TRACED_SECONDS)
        before = calls.count(vmm), frames(tap)
        time.sleep(TRACED_SECONDS)
        found, many = calls.count(vmm) - before[0], frames(tap) - before[1]
        guest.answer()
    for when, some in (("silent", silent), ("sending", found)):
        print(f"net.vhost: {when}, {some.total()} system calls"
              f" ({', '.join(f'{n} of {call}' for call, n in some.most_common()) or 'none'})", flush=True)
    print(f"net.vhost: {many} frames", flush=True)
    return max(0, found.total() - silent.total()) / max(1, many)


def judge(kind, way, rates, bar):
    ratios = [ours / theirs for ours, theirs in zip(rates["usher"], rates["qemu"])]
    low, _, high = statistics.quantiles(ratios, n=4, method="inclusive")
    unit = "answers/s" if way == "a" else "MiB/s"
    each = {peer: statistics.median(found) / (1 if way == "a" else 1 << 20) for peer, found in rates.items()}
    name = f"net.{kind}.{WAYS[way]}"
    print(f"{name}: usher {each['usher']:.1f}, QEMU {each['qemu']:.1f} {unit}; ratio of pairs {low:.3f} to {high:.3f}")
    bar(name + "_ratio", statistics.median(ratios), ">=", LEAST[kind], short=high < LEAST[kind])


def measure(rounds, kernel, initrd, cmdline, bar):
    subprocess.run(["modprobe", "-a", "tun", "vhost_net"], check=True)
    network_make()
    found = {(kind, way): {peer: [] for peer in TAPS} for kind in LEAST for way in WAYS}
    with contextlib.ExitStack() as stack:
        server = subprocess.Popen([LOAD, "serve", str(PORT)])
        stack.callback(server.kill)
        guests = guests_start(stack, kernel, initrd, cmdline)
        for n in range(rounds + 1):  # the first round warms up
            for (kind, way), rates in found.items():
                for peer in list(TAPS)[::1 if n % 2 else -1]:
                    host = HOST if kind == "user" else TAPS[peer][1] + ".1"
                    rate, _ = guests[peer].load(host, way, SECONDS)
                    print(f"round {n}: {kind} {WAYS[way]} {peer}: {rate:.0f}/s", flush=True)
                    if n:
                        rates[peer].append(rate)
        bar("net.vhost.system_calls", calls_of_a_frame(guests["usher"]), "<=", 0.001)
    for (kind, way), rates in found.items():
        judge(kind, way, rates, bar)
