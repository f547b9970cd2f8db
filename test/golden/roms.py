#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""ROM files against a device of a host: what is right, what is wrong, and what gets saved.
roms.py USHER FIXTURE.host
"""
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

CARD = "0000:06:00.0"
VENDOR, DEVICE = 0x1002, 0x1638


def image(code, device=DEVICE, last=False, units=1):
    rom = bytearray(units * 512)
    struct.pack_into("<HB", rom, 0, 0xaa55, units)
    struct.pack_into("<H", rom, 0x18, 0x1c)
    struct.pack_into("<4sHHHHBBBBHHBB", rom, 0x1c, b"PCIR", VENDOR, device, 0, 0x18, 0, 0, 0, 3,
                     units, 0, code, 0x80 if last else 0)
    if code == 3:
        struct.pack_into("<IHHH", rom, 4, 0xef1, 0xb, 0x8664, 1)
    else:
        rom[6] = -sum(rom) & 0xff
    return bytes(rom)


GOOD = image(0) + image(3, last=True)
BROKEN = bytearray(GOOD)
BROKEN[100] += 1

# name: (the file, the exit status of a check, a sentence, what gets saved)
CASES = {
    "good": (GOOD, 0, "right: signature", GOOD),
    "header": (b"NVGI" + b"\x11" * 1020 + GOOD + b"\xff" * 4096, 1,
               "1024 bytes in front are not part of the ROM", GOOD),
    "id": (image(0, 0x731f, True), 1, "for 1002:731f, but the device is 1002:1638", None),
    "checksum": (bytes(BROKEN), 1, "image 1 has a wrong checksum", None),
    "legacy": (image(0, last=True), 0, "no UEFI part", image(0, last=True)),
    "uefi": (image(3, last=True), 0, "no x86 part", image(3, last=True)),
    "cut": (GOOD[:700], 1, "is cut off", None),
    "text": (b"not a ROM\n" * 100, 1, "no image starts with 55 aa", None),
    "empty": (b"", 1, "the ROM is empty", None),
}


def ask(usher, host, *words):
    done = subprocess.run([usher, "rom", "-n", "--host", host, CARD, *map(str, words)], check=False,
                          capture_output=True, text=True)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def faults(usher, host, work):
    for name, (content, status, sentence, saved) in CASES.items():
        file, save = work / name, work / (name + ".saved")
        file.write_bytes(content)
        code, text = ask(usher, host, "--from", file)
        if code != status or sentence not in text:
            yield f"{name}: ends with {code}: {text}"
        save.write_text("before")
        code, text = ask(usher, host, save, "--from", file)
        if (code == 0) != (saved is not None):
            yield f"{name}: saving ends with {code}: {text}"
        if save.read_bytes() != (b"before" if saved is None else saved):
            yield f"{name}: the saved file is another one"
        if saved is None and content:
            code, text = ask(usher, host, save, "--from", file, "--allow=rom")
            if save.read_bytes() != content or code != 1:
                yield f"{name}: --allow=rom ends with {code}: {text}"
    for file, sentence in ((work, "not a regular file"), (work / "nothing", "No such file")):
        code, text = ask(usher, host, "--from", file)
        if code != 1 or sentence not in text:
            yield f"{file}: ends with {code}: {text}"


def streamed(usher, host, work):
    words = [usher, "rom", "--host", host, CARD, "-", "--from", work / "header"]
    done = subprocess.run(words, check=False, capture_output=True)
    if done.returncode or done.stdout != GOOD:
        yield f"on standard output: {done.returncode}, {len(done.stdout)} bytes"
    done = subprocess.run(words, check=False, stderr=subprocess.PIPE, preexec_fn=lambda: os.close(1))
    if done.returncode != 1 or b"standard output" not in done.stderr:
        yield f"standard output is closed: {done.returncode}: {done.stderr}"
    if subprocess.run([*words, "--json"], check=False, capture_output=True).returncode != 2:
        yield "--json and a ROM go to standard output together"


def document(usher, host, work):
    done = subprocess.run([usher, "rom", "--json", "--host", host, CARD, "--from", work / "header"],
                          check=False, capture_output=True, text=True)
    rom = json.loads(done.stdout)["rom"]
    if (rom["start"], rom["right"], rom["has_uefi"], len(rom["images"])) != (1024, False, True, 2):
        yield f"the document is {rom}"


def main(usher, host):
    with tempfile.TemporaryDirectory() as name:
        work = pathlib.Path(name)
        found = [*faults(usher, host, work), *document(usher, host, work),
                 *streamed(usher, host, work)]
    print(*found, sep="\n")
    sys.exit(bool(found))


main(*sys.argv[1:])
