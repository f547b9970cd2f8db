#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A snapshot that claims a million devices is refused at once, and the largest that is taken is
listed, drawn and checked in bounded time and memory. many.py USHER
"""
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

MANY = 20_000  # each with a dozen entries: half of what a snapshot of 32 MiB can bring
SECONDS = 120  # under the sanitizers, on a machine that does other things; 2 else
MEMORY_KIB = 1 << 20


def snapshot(path, count):
    with path.open("w") as file:
        file.write("usher-host 2\n")
        for i in range(count):
            address = f"{i >> 16:04x}:{i >> 8 & 255:02x}:{i >> 3 & 31:02x}.{i & 7}"
            above = f"{i - 1 >> 16:04x}:{i - 1 >> 8 & 255:02x}:{i - 1 >> 3 & 31:02x}.{i - 1 & 7}"
            folder = f"/sys/devices/pci0000:00/{above}/{address}"
            file.write(f"link /sys/bus/pci/devices/{address} ../../..{folder[4:]}\nat {folder}\n"
                       f"file vendor 0x8086\nfile device 0x1572\nfile class 0x030000\n"
                       f"link driver ../x/vfio-pci\nlink iommu_group ../x/1\n")
        file.write("end\n")


def run(usher, path, *words):
    started = time.monotonic()
    done = subprocess.run([usher, *words, "--host", path], stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True, check=False, timeout=SECONDS)
    return done.returncode, done.stderr, time.monotonic() - started


def main():
    usher, faults = sys.argv[1], []
    with tempfile.TemporaryDirectory() as name:
        path = pathlib.Path(name) / "many.host"
        snapshot(path, 1_000_000)
        code, text, seconds = run(usher, path, "list")
        if code != 2 or "32 MiB" not in text or seconds > 10:
            faults.append(f"a million devices: status {code} after {seconds:.1f} s: {text}")
        snapshot(path, MANY)
        for words in (["list", "-n"], ["list", "-n", "--tree"], ["list", "-n", "--svg"],
                      ["list", "-n", "--dot"], ["check"], ["check", "0000:01:00.0"]):
            code, text, seconds = run(usher, path, *words)
            if code not in (0, 3):
                faults.append(f"{' '.join(words)}: status {code}: {text}")
            print(f"{' '.join(words)}: {seconds:.1f} s")
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    if memory > MEMORY_KIB:
        faults.append(f"{memory >> 10} MiB were used")
    print("\n".join(faults) if faults else f"bounded: {memory >> 10} MiB at most")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
