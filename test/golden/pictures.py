#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The pictures of every fixture are what they say: SVG is XML with each device and each group in
it, dot is what Graphviz reads (where that is installed). pictures.py USHER FIXTURES
"""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

SVG = "{http://www.w3.org/2000/svg}"


def output(words):
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def svg_faults(text, devices):
    root = ElementTree.fromstring(text)
    if root.tag != f"{SVG}svg" or float(root.get("width")) <= 0 or float(root.get("height")) <= 0:
        yield "is no SVG of some size"
    words = " ".join(node for node in root.itertext())
    for device in devices:
        if device["address"] not in words:
            yield f"has no {device['address']}"
    for group in {d["group"] for d in devices if d["group"] is not None}:
        if not re.search(rf"\bgroup {group}\b", words):
            yield f"has no group {group}"
    width, height = float(root.get("width")), float(root.get("height"))
    for box in root.iter(f"{SVG}rect"):
        x, y = float(box.get("x", 0)), float(box.get("y", 0))
        if x < 0 or y < 0 or x + float(box.get("width")) > width or \
                y + float(box.get("height")) > height:
            yield f"a box at {x},{y} leaves the picture"


def dot_faults(text, devices):
    for device in devices:
        if f'"{device["address"]}"' not in text:
            yield f"has no {device['address']}"
    if shutil.which("dot"):
        done = subprocess.run(["dot", "-Tcanon"], input=text, capture_output=True, text=True,
                              check=False)
        if done.returncode or done.stderr:
            yield f"Graphviz: {done.stderr}"


def main():
    usher, fixtures, faults = sys.argv[1], pathlib.Path(sys.argv[2]), []
    for path in sorted(fixtures.glob("*.host")):
        if path.stem == "nothing":
            continue  # a host without PCI
        words = [usher, "list", "--host", path]
        devices = json.loads(output([*words, "--json"]))["devices"]
        for form, check in (("--svg", svg_faults), ("--dot", dot_faults)):
            faults += [f"{path.stem} {form}: {fault}"
                       for fault in check(output([*words, form]), devices)]
    print("\n".join(faults) if faults else "all pictures are whole")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
