#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The verdicts of `usher check` are true: a device that can be lent is one that `usher bind` would take
now, one that cannot be lent is one that it refuses, and the first screen says the same of a device as
the report about that device. verdicts.py USHER FOLDER…
"""
import collections
import json
import pathlib
import re
import subprocess
import sys

# The plan of one device has no part in these.
STEPS_OF_HOST = re.compile(r"usher bind|usher revive|\(H0[56]\)")
KINDS = {"yes", "step", "no"}


def run(words):
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def faults_of(usher, path, seen):
    code, text, error = run([usher, "check", "--json", "--all", "--host", path])
    if code not in (0, 3):
        yield f"{path.stem}: {error}"
        return
    for device in json.loads(text)["devices"]:
        address, verdict = device["address"], device["verdict"]
        seen[verdict] += 1
        bound, plan, error = run([usher, "bind", "--dry-run", "--json", "--host", path, address])
        if bound not in (0, 3):
            yield f"{path.stem}: bind {address}: {error}"
        if verdict == "yes" and bound != 0:
            yield f"{path.stem}: {address} can be lent, and bind refuses it: {plan}"
        if verdict in ("no", "unknown") and bound != 3:
            yield f"{path.stem}: {address} cannot be lent ({device['text']}), and bind takes it"
        if verdict == "step" and bound == 0 and not STEPS_OF_HOST.search(device["text"]):
            yield f"{path.stem}: {address} needs a step ({device['text']}), and bind needs none"
        status, one, _ = run([usher, "check", "--json", "--host", path, address])
        same = json.loads(one)["devices"]
        if same != [device]:
            yield f"{path.stem}: of {address}: {device}, and on its own: {same}"
        if (status == 0) and verdict != "yes":
            yield f"{path.stem}: check {address} has status 0, and the verdict is {verdict}"


def main():
    usher, seen, faults = sys.argv[1], collections.Counter(), []
    for folder in sys.argv[2:]:
        for path in sorted(pathlib.Path(folder).glob("*.host")):
            faults += faults_of(usher, path, seen)
    for kind in KINDS - set(seen):
        faults.append(f"no fixture has a verdict '{kind}'")
    print("\n".join(faults) if faults else f"{sum(seen.values())} verdicts hold: {dict(seen)}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
