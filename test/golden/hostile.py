#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Whatever stands in a snapshot, no verb prints a control byte of it, dies by a signal or hangs;
nor when the snapshot ends in the middle. hostile.py USHER FIXTURES
"""
import pathlib
import re
import subprocess
import sys
import tempfile

SECONDS = 60
# Marks of direction and the like: what follows them is shown as something else.
HIDDEN = re.compile("[\x80-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
CUTS = 60
TOPICS = ("vfio container group iommu acs passthrough binding kvm virtio reset sriov bar").split()


def verbs(addresses):
    yield from (["list"], ["list", "-n", "-t"], ["list", "-l", "-o", "+group,name,above,subsystem"],
                ["list", "--json"], ["list", "--dot"], ["list", "--svg"], ["check"],
                ["check", "--json"], ["claims"], ["claims", "--json"])
    yield from (["help", topic] for topic in TOPICS)
    for address in addresses:
        yield from (["show", address], ["show", "--json", address], ["check", address],
                    ["check", "--json", address], ["prove", "--dry-run", address],
                    ["bind", "--dry-run", address], ["vfs", address])


def run(usher, path, words):
    """Standard output and error, and what is wrong with them."""
    try:
        done = subprocess.run([usher, *words, "--host", path], capture_output=True, check=False,
                              timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return b"", f"no end after {SECONDS} s"
    text = done.stdout + done.stderr
    # 99: a sanitizer's, as dev sets it; a library's own for the rest
    if done.returncode not in (0, 1, 2, 3):
        return text, f"status {done.returncode}: {text[-500:]!r}"
    raw = {byte for byte in text if byte < 0x20 and byte != 0x0a or byte == 0x7f}
    raw |= set(HIDDEN.findall(text.decode(errors="replace")))
    return text, f"prints as they are: {sorted(map(ascii, raw))}" if raw else ""


def main():
    usher, fixtures = sys.argv[1], pathlib.Path(sys.argv[2])
    whole = fixtures / "hostile.host"
    addresses = subprocess.run([usher, "list", "-l", "-n", "-o", "address", "--host", whole],
                               capture_output=True, text=True, check=True).stdout.split()[1:]
    faults, hidden, turned = [], 0, 0
    for words in verbs(addresses):
        text, fault = run(usher, whole, words)
        hidden += text.count(b"\\x1b")
        turned += text.count(b"\\u202e")
        if fault:
            faults.append(f"{' '.join(words)}: {fault}")
    if not hidden or not turned:
        faults.append("nothing was escaped: the fixture is not hostile any more")
    content = whole.read_bytes() + (fixtures / "desktop.host").read_bytes().split(b"\n", 1)[1]
    with tempfile.TemporaryDirectory() as name:
        torn = pathlib.Path(name) / "torn.host"
        for cut in range(0, len(content), len(content) // CUTS):
            torn.write_bytes(content[:cut])
            for words in (["list", "-n"], ["check"], ["show", "-n", "0000:00:03.0"]):
                fault = run(usher, torn, words)[1]
                if fault:
                    faults.append(f"the first {cut} bytes, {' '.join(words)}: {fault}")
    print("\n".join(faults) if faults else f"{hidden} escape sequences were shown, none was sent")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
