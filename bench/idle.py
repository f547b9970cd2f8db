# SPDX-License-Identifier: MIT
"""Notices other programs that use the processors while a bench measures.

An emulated host needs two: one for its processor, one for its devices. If another program has one of
them, a guest that polls waits for a guest that sleeps, and a ratio may be off by three. So each bar that
was measured meanwhile ends with 'busy'.
"""
import collections
import os
import pathlib
import subprocess
import sys
import time

NEEDS = 2  # processors
TOLERATED = 0.2  # of a processor: the kernel's own threads
SHORTEST = 1.0  # [s]; times are in hundredths of a second
GLANCE = 0.5  # [s], before the start

# In processor seconds since the boot: all that ran or was taken by a hypervisor; ours.
Reading = collections.namedtuple("Reading", "at used ours")


def family(root):
    """The times of @root, its descendants, and those of them that have ended, in ticks."""
    parents, times = {}, {}
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            words = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(path.parent.name)] = int(words[1])
        times[int(path.parent.name)] = sum(map(int, words[11:15]))

    def is_ours(pid):
        while pid and pid != root:
            pid = parents.get(pid)
        return pid == root
    return sum(time_ for pid, time_ in times.items() if is_ours(pid))


def read():
    user, nice, system, _, _, irq, softirq, steal, *_ = map(
        int, pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:])
    tick = os.sysconf("SC_CLK_TCK")
    return Reading(time.monotonic(), (user + nice + system + irq + softirq + steal) / tick,
                   family(os.getpid()) / tick)


class Watch:
    """How many processors others use, since the last time that this was asked."""

    def __init__(self, needs=NEEDS, processors=None, readings=read):
        self.needs = needs
        self.processors = processors or os.cpu_count()
        self.readings = readings
        self.last = readings()
        self.others = 0.0
        self.most = 0.0  # of all times that were too much

    def is_busy(self):
        now = self.readings()
        seconds = now.at - self.last.at
        if seconds >= SHORTEST:
            used, ours = now.used - self.last.used, now.ours - self.last.ours
            self.others = max(0.0, (used - ours) / seconds)
            self.last = now
        busy = self.processors - self.others < self.needs - TOLERATED
        if busy:
            self.most = max(self.most, self.others)
        return busy

    def mark(self, line):
        """The line of a bar, with 'busy' if it was measured on a busy machine."""
        if not line.startswith("bar ") or not self.is_busy():
            return line
        return line.rstrip("\n") + " busy\n"


def note(text):
    print(f"note: {text}", file=sys.stderr, flush=True)


def look_before(needs, processors):
    before = read()
    time.sleep(GLANCE)
    after = read()
    others = (after.used - before.used - after.ours + before.ours) / (after.at - before.at)
    if processors - others < needs - TOLERATED:
        waiting = pathlib.Path("/proc/loadavg").read_text().split()[3].split("/")[0]
        note(f"other programs use {others:.1f} of {processors} processors ({waiting} processes are "
             f"runnable); this bench needs {needs} idle ones")


def run(words, needs=NEEDS):
    """Runs @words, passes on its standard output with bars marked. Return: its exit status."""
    watch = Watch(needs)
    if watch.processors < needs:
        note(f"this bench needs {needs} processors; this machine has {watch.processors}")
    look_before(needs, watch.processors)
    watch.last = read()
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, errors="replace") as child:
        for line in child.stdout:
            print(watch.mark(line), end="", flush=True)
    if watch.most:
        note(f"others used up to {watch.most:.1f} of {watch.processors} processors: the figures marked "
             "'busy' mean nothing; repeat them on an idle machine")
    return child.returncode
