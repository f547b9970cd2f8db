#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""lspci.py [--show] USHER QEMU EXPLANATIONS: what 'lspci -n -vv -xxxx' said of the same devices in two
guests, compared; or lspci.py --links USHER: root ports compared with their cards. Each difference of
the first must have a row in a table of EXPLANATIONS (Markdown):

    | device | where | under usher | under QEMU | why |

A device is VENDOR:DEVICE or 'any'; '*' stands for any text in the first four. 'where' is what begins
a line of lspci's, with the capability that it belongs to before it; or a byte of configuration
space: 'header+3c', 'capability 05+2', 'extended 0001+10'.
"""
import base64
import gzip
import pathlib
import re
import sys

ABSENT = "-"


def said(path):
    """What lspci said in that guest, which wrote it packed onto its console."""
    text = path.read_text(errors="replace").replace("\r", "")
    packed = re.search(r"^lspci: begin\n(.*?)^lspci: end$", text, re.S | re.M)
    if not packed:
        sys.exit(f"{path}: the guest has not got to lspci\n{text[-3000:]}")
    return gzip.decompress(base64.b64decode(packed[1])).decode()


def devices(path):
    """VENDOR:DEVICE → (lines of text, configuration space), of all but bridges."""
    found = {}
    for block in re.split(r"\n(?=[0-9a-f]{2}:[0-9a-f]{2}\.[0-7] )", said(path).strip()):
        head, *lines = block.split("\n")
        kind, name = re.match(r"\S+ ([0-9a-f]{4}): (\S+)", head).groups()
        if not kind.startswith("06") and not name.startswith("8086:29"):
            found[name] = described(head, lines)
    return found


def described(head, lines):
    text, space = [head.split(" ", 1)[1]], bytearray(4096)
    for line in lines:
        dump = re.match(r"([0-9a-f]{2,3}):((?: [0-9a-f]{2}){16})$", line.strip())
        if dump:
            at = int(dump[1], 16)
            space[at:at + 16] = bytes.fromhex(dump[2])
        elif line.strip():
            text.append(line)
    return text, space


def labelled(lines):
    """What begins a line, with its capability's name in front → the line."""
    found, capability = {}, ""
    for line in lines:
        words = line.strip()
        named = re.match(r"Capabilities: \[[0-9a-f]+(?: v\d+)?\] ([A-Za-z][\w -]*?)(?=[:(,]|$)", words)
        if named:
            capability = named[1].strip() + ": "
            label = "Capabilities"
        else:
            if not line.startswith("\t\t"):
                capability = ""
            label = re.match(r"(Region \d|Expansion ROM|[^:\t=]+)", words)[1].strip()
        key, n = capability + label, 2
        while key in found:
            key, n = f"{capability}{label} {n}", n + 1
        # Where a BAR is, its bytes tell; here what it is.
        found[key] = re.sub(r"\bat [0-9a-f]{4,}", "at ADDRESS", words)
    return found


def chain(space):
    """Offsets of the capabilities in both lists, with their names."""
    places = [(0, "header")]
    # The pointer means nothing unless the status register says that there is a list.
    at, left = space[0x34] & 0xfc if space[6] & 0x10 else 0, 48
    while at and left:
        places.append((at, f"capability {space[at]:02x}"))
        at, left = space[at + 1] & 0xfc, left - 1
    at, left = 0x100, 960
    while at and left:
        head = int.from_bytes(space[at:at + 4], "little")
        if not head or head == 0xffffffff:
            break
        places.append((at, f"extended {head & 0xffff:04x}"))
        at, left = head >> 20 & 0xffc, left - 1
    return sorted(places)


def place(places, off):
    start, name = max(p for p in places if p[0] <= off)
    return f"{name}+{off - start:x}"


def differences(ours, theirs):
    (our_text, our_space), (their_text, their_space) = ours, theirs
    our_lines, their_lines = labelled(our_text), labelled(their_text)
    for label in {**our_lines, **their_lines}:
        pair = our_lines.get(label, ABSENT), their_lines.get(label, ABSENT)
        if pair[0] != pair[1]:
            yield label, *pair
    # Named after the device's own lists: what usher hides is in QEMU's, if anywhere.
    places = chain(their_space)
    for off, (a, b) in enumerate(zip(our_space, their_space)):
        if a != b:
            yield place(places, off), f"{a:02x}", f"{b:02x}"


def links(path):
    """Checks that each root port has the link of the card on its secondary bus."""
    wrong = checked = 0
    ports, cards = {}, {}
    for block in re.split(r"\n(?=[0-9a-f]{2}:[0-9a-f]{2}\.[0-7] )", said(path).strip()):
        found = [re.search(rf"{name}:.*?Speed ([\w.]+/s)[^,]*, Width (x\d+)", block)
                 for name in ("LnkCap", "LnkSta")]
        link = [match.groups() for match in found if match]
        secondary = re.search(r"secondary=([0-9a-f]{2})", block)
        if secondary:
            ports[secondary[1]] = link
        elif len(link) == 2 and block[6] == "0":
            cards.setdefault(block[:2], link)
    for bus, link in cards.items():
        checked += 1
        if ports.get(bus) != link:
            wrong += 1
            print(f"bus {bus}: the card has {link}, its port {ports.get(bus)}")
    print(f"{checked} links, {wrong} differ from their port's")
    return 1 if wrong or not checked else 0


def explanations(path):
    rows = []
    for line in path.read_text().splitlines():
        cells = [cell.strip().strip("`") for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and len(cells) == 5 and cells[0] != "device" and not set(cells[0]) <= set("-: "):
            rows.append([re.compile(re.escape(c).replace(r"\*", ".*")) for c in cells[:4]])
    return rows


def explained(rows, device, difference):
    return any((row[0].pattern == "any" or row[0].fullmatch(device))
               and all(cell.fullmatch(word) for cell, word in zip(row[1:], difference))
               for row in rows)


def main():
    if "--links" in sys.argv:
        return links(pathlib.Path(sys.argv[-1]))
    show = "--show" in sys.argv
    ours, theirs, table = (pathlib.Path(word) for word in sys.argv[1:] if word != "--show")
    if show:
        print(said(ours), said(theirs), sep="\n")
    ours, theirs, rows = devices(ours), devices(theirs), explanations(table)
    if not ours or set(ours) != set(theirs):
        sys.exit(f"not the same devices: {sorted(ours)} under usher, {sorted(theirs)} under QEMU")
    missing = total = 0
    for device in sorted(ours):
        for difference in differences(ours[device], theirs[device]):
            total += 1
            if not explained(rows, device, difference):
                missing += 1
                print("| " + " | ".join(f"`{word}`" for word in (device, *difference)) + " | ? |")
    print(f"{len(ours)} devices, {total} differences, {missing} without an explanation")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
