#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""functions.py LIST LIBRARY INCLUDE-DIR: LIST, a 'PAGE FUNCTION' a line, says on which man page each
function of libusher stands, which makes `man FUNCTION` find it. Here it is held against what the
library exports and the headers define, and the pages against it."""
import pathlib
import re
import subprocess
import sys

listing, library, include = map(pathlib.Path, sys.argv[1:])
wrong = []

pages = {}
for line in listing.read_text().split("\n"):
    if line:
        page, function = line.split(" ")
        if function in pages:
            wrong.append(f"{function}: twice in {listing.name}")
        pages[function] = page

symbols = subprocess.run(["nm", "-D", "--defined-only", library], check=True, capture_output=True,
                         text=True).stdout
functions = set(re.findall(r" [TW] (usher_\w+)", symbols))
for header in include.glob("*.h"):
    text = header.read_text()
    functions.update(re.findall(r"^static inline (?:\w+ )+\**(usher_\w+)\(", text, re.M))
    for bits in re.findall(r"^USHER_ACCESSORS_\((\d+),", text, re.M):
        functions.update(f"usher_{way}{bits}{kind}" for way in ("read", "write")
                         for kind in ("", "_relaxed"))
if len(functions) < 50:
    wrong.append(f"only {len(functions)} functions found: is this test still right?")

wrong += [f"{f}: not in {listing.name}" for f in sorted(functions - set(pages))]
wrong += [f"{f}: in {listing.name}, but there is none" for f in sorted(set(pages) - functions)]
for function, page in pages.items():
    source = listing.parent / f"{page}.3.scd"
    if not source.exists():
        wrong.append(f"{function}: no page {source.name}")
    elif not re.search(rf"\b{function}\b", source.read_text()):
        wrong.append(f"{function}: {source.name} does not describe it")
print("\n".join(wrong) or "ok")
sys.exit(bool(wrong))
