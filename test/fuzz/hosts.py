#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Mutated hosts: hosts.py READ_VERBS FIXTURES [--count N] [--seed S] [--only HOST]

Each host is one of the fixtures with up to a dozen changes that a strange kernel, a broken device or a
hostile sender may cause: lines lost, doubled, exchanged or taken from another host, links that lead
elsewhere, absurd numbers and texts, other bytes in configuration space, an end in the middle.
read_verbs.c runs all read verbs on each. The same seed makes the same hosts; what found a fault is kept.
"""
import argparse
import collections
import concurrent.futures
import os
import pathlib
import random
import subprocess
import sys
import tempfile

BATCH = 20
CHANGES = 12
ERRORS = ("EACCES", "ENOENT", "EIO", "ENODEV", "EPERM", "EINVAL", "ENOTDIR")
VALUES = ("", "0", "1", "-1", "255", "65536", "4294967295", "4294967296", "18446744073709551615",
          "99999999999999999999999", "0x", "0xffffffffffffffff", "0xfffffff", "(null)", "none", "nan",
          "%s%n%d", "\\x1b[31mred", "\\x00\\x01\\x7f", "\\n", "\\n" * 40, "\\\\", "a" * 5000, "\u202egpj",
          "\u00e9\u4e2d", "..", "../../..", "/", "0000:00:00.0", "ffff:ff:1f.7", "0000:01:00.0\\n0000:02:00.0",
          "vfio-pci", "1,2-5,9-", "flr bus pm flr", "[madvise] never", "rw,relatime")


def words(line):
    """Of an entry: kind, path, the rest."""
    kind, _, rest = line.partition(" ")
    path, _, value = rest.partition(" ")
    return kind, path, value


def unproven(text):
    """As a snapshot of version 1, where no last line ends it: a grafted one would hide what follows."""
    return text.replace("usher-host 2\n", "usher-host 1\n", 1).removesuffix("end\n")


class Mutator:
    def __init__(self, fixtures, dice):
        self.fixtures, self.dice = fixtures, dice

    def any_line(self, lines, kind=None):
        """Its number; None if there is none of that kind."""
        fits = [i for i, line in enumerate(lines) if i and line and
                (kind is None or line.startswith(kind + " "))]
        return self.dice.choice(fits) if fits else None

    def lose(self, lines):
        at, count = self.any_line(lines), self.dice.choice((1, 1, 1, 2, 5, 20))
        del lines[at:at + count]

    def double(self, lines):
        at, count = self.any_line(lines), self.dice.choice((1, 1, 3, 10))
        to = self.any_line(lines)
        lines[to:to] = lines[at:at + count]

    def exchange(self, lines):
        kind = self.dice.choice(("file", "link", "bytes", "dir", "at"))
        a, b = self.any_line(lines, kind), self.any_line(lines, kind)
        if a is None:
            return
        (kind, path_a, value_a), (_, path_b, value_b) = words(lines[a]), words(lines[b])
        lines[a], lines[b] = f"{kind} {path_a} {value_b}", f"{kind} {path_b} {value_a}"

    def set_value(self, lines):
        at = self.any_line(lines, "file")
        if at is not None:
            kind, path, _ = words(lines[at])
            lines[at] = f"{kind} {path} {self.dice.choice(VALUES)}"

    def set_number(self, lines):
        at = self.any_line(lines, "file")
        if at is not None:
            kind, path, value = words(lines[at])
            if value[:2] == "0x" or value.isdigit():
                lines[at] = f"{kind} {path} 0x{self.dice.getrandbits(self.dice.choice((8, 16, 24, 32))):x}"

    def lead_elsewhere(self, lines):
        at, other = self.any_line(lines, "link"), self.any_line(lines)
        if at is not None:
            kind, path, target = words(lines[at])
            target = self.dice.choice((words(lines[other])[1], target + "/..", path, "/", ".", target[3:],
                                       "/sys/bus/pci/devices/0000:00:00.0"))
            lines[at] = f"{kind} {path} {target or '.'}"

    def rename(self, lines):
        """One name becomes another everywhere, or in one line."""
        names = sorted({part for line in lines for part in words(line)[1].split("/") if part})
        if not names:
            return
        old, new = self.dice.choice(names), self.dice.choice(names)
        where = range(1, len(lines)) if self.dice.randrange(2) else [self.any_line(lines)]
        for i in where:
            lines[i] = lines[i].replace(old, new)

    def fail(self, lines):
        at = self.any_line(lines, self.dice.choice(("file", "link", "dir", "bytes")))
        if at is not None:
            lines[at] = f"fail {words(lines[at])[1]} {self.dice.choice(ERRORS)}"

    def scribble(self, lines):
        """Other bytes in configuration space, or one for a device that has none."""
        at = self.any_line(lines, "bytes")
        if at is None:
            at = self.any_line(lines, "at")
            if at is None:
                return
            lines.insert(at + 1, "bytes config 4096 0:86801015070410000100000200")
            at += 1
        offset = self.dice.choice((0, 4, 0xe, 0x34, 0x40, 0x50, 0x60, 0x70, 0x80, 0xa0, 0x100, 0x140, 0xffe))
        patch = bytes(self.dice.choice((0, 0xff, 0x40, 0x10, 0x11, 0x05, 0x01, 0x50, self.dice.getrandbits(8)))
                      for _ in range(self.dice.choice((1, 2, 4, 16))))
        lines[at] += f" {offset:x}:{patch.hex()}"

    def graft(self, lines):
        other = self.dice.choice(self.fixtures).splitlines()
        at, to = self.dice.randrange(1, len(other)), self.any_line(lines)
        lines[to:to] = other[at:at + self.dice.choice((1, 3, 10, 40))]

    def invent(self, lines):
        """An entry that few hosts have."""
        number = f"b{self.dice.choice((8, 259, 253))}:{self.dice.randrange(4)}"
        lines.insert(self.any_line(lines), self.dice.choice((
            f"holder {self.dice.randrange(9)} 0 {number[1:]} {self.dice.choice(VALUES)[:200] or 'x'}",
            f"busy nvme{self.dice.randrange(2)}n1", "busy sda EACCES", "blind", "blind EPERM", "unseen EACCES",
            f"number {number} /dev/nvme0n1", f"loop {number} loop0", "address eth0 10.0.0.1/24",
            "address eth0 fe80::1/129", "upper eth0 mv0 17 0 lxc", "file /proc/cmdline " + self.dice.choice(VALUES),
            "file /proc/mounts /dev/nvme0n1 / ext4 rw 0 0", "node /dev/vfio/7 20600 0:0")))

    def spoil(self, lines):
        at = self.any_line(lines)
        line = lines[at]
        where = self.dice.randrange(len(line))
        lines[at] = line[:where] + chr(self.dice.choice((0x20, 0x5c, 0x2f, 0x7f, 0x1b, 0x41, 0xff, 0x2e))) + \
            line[where + self.dice.randrange(2):]

    def mutate(self):
        lines = self.dice.choice(self.fixtures).splitlines()
        ways = (self.lose, self.double, self.exchange, self.set_value, self.set_number, self.lead_elsewhere,
                self.rename, self.fail, self.scribble, self.graft, self.invent, self.spoil)
        weights = (3, 3, 3, 6, 4, 4, 2, 3, 4, 3, 3, 0.3)
        for way in self.dice.choices(ways, weights, k=self.dice.randint(1, CHANGES)):
            if self.any_line(lines) is not None:
                way(lines)
        data = "\n".join(lines).encode() + b"\n"
        if self.dice.randrange(20) == 0:
            data = data[:self.dice.randrange(len(data))]
        return data


def host(fixtures, seed, number):
    return Mutator(fixtures, random.Random(f"{seed} {number}")).mutate()


def run_batch(program, folder, fixtures, seed, numbers):
    """What is wrong with these hosts, by their number."""
    paths = {}
    for number in numbers:
        path = folder / f"{seed}-{number}.host"
        path.write_bytes(host(fixtures, seed, number))
        paths[str(path)] = path
    done = subprocess.run([program, *paths], capture_output=True, check=False)
    text = done.stdout.decode(errors="replace")
    for name, path in paths.items():
        if name not in text and done.returncode in (0, 1):
            path.unlink()
    return text + done.stderr.decode(errors="replace") if done.returncode else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("fixtures", type=pathlib.Path)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, metavar="HOST")
    parser.add_argument("--keep", type=pathlib.Path, default=pathlib.Path(tempfile.gettempdir()))
    asked = parser.parse_args()
    fixtures = [unproven(p.read_text()) for p in sorted(asked.fixtures.glob("*.host"))]
    numbers = [asked.only] if asked.only is not None else range(asked.count)
    batches = [numbers[i:i + BATCH] for i in range(0, len(numbers), BATCH)]
    folder = pathlib.Path(tempfile.mkdtemp(prefix="usher-hosts.", dir=asked.keep))
    found = collections.Counter()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = [pool.submit(run_batch, asked.program, folder, fixtures, asked.seed, batch)
                for batch in batches]
        for job in jobs:
            if text := job.result():
                found["faults"] += 1
                print(text, flush=True)
    if asked.only is not None:
        (folder / f"{asked.seed}-{asked.only}.host").write_bytes(host(fixtures, asked.seed, asked.only))
    if not list(folder.iterdir()):
        folder.rmdir()
    else:
        print(f"kept in {folder}")
    print(f"bar fuzz.hosts {found['faults']} <= 0 {'short' if found else 'ok'}: {len(numbers)} hosts, seed {asked.seed}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
