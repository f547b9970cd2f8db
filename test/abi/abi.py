#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""abi.py LIBRARY HEADERS-OF-0.1 HEADERS LAYOUT-OF-0.1 LAYOUT: a program that was built for version 0.1
finds everything in the library of today: its functions, and its fields where they were. And the headers
of today declare what the library exports, no more and no less."""
import pathlib
import re
import subprocess
import sys

library, before, now, *layouts = sys.argv[1:]
wrong = []


def declared(folder):
    """The functions that the library has to define: without inline ones."""
    text = "\n".join(p.read_text() for p in sorted(pathlib.Path(folder).glob("usher/*.h")))
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    text = re.sub(r"\\\n", " ", text)
    text = re.sub(r"^\s*#.*$|^USHER_ACCESSORS_.*$", "", text, flags=re.M)
    text = re.sub(r"^static inline [^{]*\{.*?^\}", "", text, flags=re.M | re.S)
    return set(re.findall(r"^(?:const )?(?:\w+ )+\**(usher_\w+)\([^{;]*\);", text, re.M))


def exported():
    """function: version, for each function of the library."""
    text = subprocess.run(["nm", "-D", "--defined-only", "--with-symbol-versions", library],
                          check=True, capture_output=True, text=True).stdout
    return dict(re.findall(r" [TW] (usher_\w+)@@(\S+)", text))


symbols, old, new = exported(), declared(before), declared(now)
if len(old) < 60 or len(new) < 60:
    wrong.append(f"only {len(old)} and {len(new)} functions found: is this test still right?")
wrong += [f"{f}: version 0.1 has it as LIBUSHER_0, the library as {symbols.get(f, 'nothing')}"
          for f in sorted(old) if symbols.get(f) != "LIBUSHER_0"]
wrong += [f"{f}: a header declares it, the library does not export it"
          for f in sorted(new - set(symbols))]
wrong += [f"{f}: the library exports it, no header declares it"
          for f in sorted(set(symbols) - new - old)]

printed = [subprocess.run([p], check=True, capture_output=True, text=True).stdout.split("\n")
           for p in layouts]
wrong += [f"layout: '{a}' became '{b}'" for a, b in zip(*printed) if a != b]
if len(printed[0]) != len(printed[1]) or len(printed[0]) < 100:
    wrong.append("the layouts are not of one length")
print("\n".join(wrong) or f"{len(symbols)} functions, {len(printed[0])} fields and constants")
sys.exit(bool(wrong))
