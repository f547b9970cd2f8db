#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every check of `usher check --list` finds something on some fixture and nothing on another, and
whatever it finds says where it was seen. rules.py USHER FIXTURES
"""
import collections
import json
import pathlib
import re
import subprocess
import sys

# These always have something to tell; not the same everywhere.
TELLS_ALWAYS = {"H07", "P05"}


def output(words):
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout


def reports(usher, fixtures):
    """Of each fixture without, and with, all its devices named."""
    for path in sorted(fixtures.glob("*.host")):
        addresses = output([usher, "list", "-l", "-n", "-o", "address", "--host", path]).split()[1:]
        yield path.stem, False, json.loads(output([usher, "check", "--json", "--host", path]))
        if addresses:
            words = [usher, "check", "--json", "--host", path, *addresses]
            yield path.stem, True, json.loads(output(words))


def main():
    usher, fixtures = sys.argv[1], pathlib.Path(sys.argv[2])
    rules = re.findall(r"^([HP]\d\d)  ", output([usher, "check", "--list"]), re.MULTILINE)
    found, quiet, faults = collections.defaultdict(set), collections.defaultdict(set), []
    for name, named, report in reports(usher, fixtures):
        spoke = {x["id"] for x in report["findings"]}
        blind = {x["id"] for x in report["unknown"]}
        for finding in report["findings"]:
            found[finding["id"]].add((finding["severity"], finding["text"]))
            if not finding["path"]:
                faults.append(f"{name}: {finding['id']} does not say where: {finding['text']}")
            if finding["severity"] == "fail" and not finding["fix"]:
                faults.append(f"{name}: {finding['id']} does not say what to do: {finding['text']}")
        for rule in set(rules) - spoke - blind:
            if named or rule.startswith("H"):
                quiet[rule].add(name)
    for rule in rules:
        if not found[rule]:
            faults.append(f"{rule} finds nothing on any fixture")
        if rule in TELLS_ALWAYS:
            if len(found[rule]) < 2:
                faults.append(f"{rule} tells the same on every fixture")
        elif not quiet[rule]:
            faults.append(f"{rule} finds something on every fixture")
    print("\n".join(faults) if faults else f"{len(rules)} checks find something, and not always")
    return 1 if faults or len(rules) != 48 else 0


if __name__ == "__main__":
    sys.exit(main())
