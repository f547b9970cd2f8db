#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The small program has every function of json-c that the code loads by name.

usage: loaded.py TOP

Other programs load json-c when they need it; the small one has it inside (src/cli/linked.c), and a
function that is missing in its table fails when somebody uses it, not when the program is built.
"""
import pathlib
import re
import sys

TABLE = "src/cli/linked.c"

top = pathlib.Path(sys.argv[1])
has = set(re.findall(r"\bCALL\((json_\w+)\)", (top / TABLE).read_text()))
wanted = {}
for path in sorted(top.glob("src/**/*.c")):
    for name in re.findall(r'\{"(json_\w+)",', path.read_text()):
        wanted.setdefault(name, path.relative_to(top))
if not wanted or not has:
    sys.exit("loaded.py finds no function: its patterns do not fit the code")
faults = [f"{wanted[name]}: {name} is not in {TABLE}" for name in sorted(wanted) if name not in has]
print("\n".join(faults) or "the small program has all functions")
sys.exit(bool(faults))
