#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""docs/pains.md tells the truth: for each pain, the check that it names finds something on the
fixture that it names. pains.py USHER FIXTURES PAINS.md
"""
import json
import pathlib
import re
import subprocess
import sys

PAINS = 35
SHOWN_AT_LEAST = 30


def rows_of(text):
    for line in text.splitlines():
        match = re.match(r"\| (\d+) \| (.+) \| (\S+) \| (.+) \|$", line)
        if match:
            yield int(match[1]), match[3], match[4]


def findings(usher, fixtures, shown):
    name, *address = shown.split()
    words = [usher, "check", "--json", "--host", fixtures / f"{name}.host", *address]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 3):
        return None, done.stderr
    found = json.loads(done.stdout)["findings"]
    return {f["id"] for f in found if not address or f["object"] == address[0]}, ""


def main():
    usher, fixtures, page = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    shown, told, faults = set(), set(), []
    for number, check, where in rows_of(page.read_text()):
        told.add(number)
        if check == "-":
            continue
        ids, why = findings(usher, fixtures, where)
        if ids is None or check not in ids:
            faults.append(f"pain {number}: {check} finds nothing on '{where}' {why}{ids or ''}")
        shown.add(number)
    missing = set(range(1, PAINS + 1)) - told
    if missing:
        faults.append(f"pains that are not in the table: {sorted(missing)}")
    if len(shown) < SHOWN_AT_LEAST:
        faults.append(f"{len(shown)} pains are shown, {SHOWN_AT_LEAST} at least are wanted")
    print("\n".join(faults) if faults else f"{len(shown)} of {PAINS} pains are found by a check")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
