#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every verb has help with an example and a man page, and both tell of the same options; the help
of the verbs that only read fits a terminal of 80 columns. pages.py USHER DOCS
"""
import pathlib
import re
import subprocess
import sys

READERS = {"list", "show", "check", "snapshot", "prove", "help"}
OPTION = re.compile(r"^ +(?:-[a-z], )?(--[a-z-]+)(?:, (--[a-z-]+))?", re.MULTILINE)
TERM = re.compile(r"^\*.*", re.MULTILINE)


def output(words):
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def faults_of(verb, text, page, listed):
    if not re.search(rf"[Ee]xamples?:(?:.*\n)*?.*{verb}", text):
        yield "its help has no example"
    wide = [line for line in text.splitlines() if len(line) > 80]
    if verb in READERS and wide:
        yield f"its help is wider than 80 columns: {wide}"
    if not page.exists():
        yield f"there is no {page.name}"
        return
    if f"'{page.stem}'" not in listed:
        yield f"{page.name} is not in docs/meson.build"
    source = page.read_text()
    if "# EXAMPLE" not in source:
        yield f"{page.name} has no example"
    told = {option for pair in OPTION.findall(text) for option in pair if option}
    terms = "\n".join(TERM.findall(source))
    paged = set(re.findall(r"\*(--[a-z-]+)\*", terms))
    for option in sorted(told - paged):
        yield f"{page.name} does not tell of {option}"
    for option in sorted(paged - told):
        yield f"its help does not tell of {option}, {page.name} does"


def main():
    usher, docs = sys.argv[1], pathlib.Path(sys.argv[2])
    listed = (docs / "meson.build").read_text()
    verbs = re.findall(r"^  ([a-z][a-z-]*) +[A-Za-z]", output([usher, "help"]), re.MULTILINE)
    verbs.append("help")
    faults = []
    for verb in dict.fromkeys(verbs):
        text = output([usher, verb, "--help"])
        page = docs / "man" / f"usher-{verb}.1.scd"
        faults += [f"{verb}: {fault}" for fault in faults_of(verb, text, page, listed)]
    print("\n".join(faults) if faults else f"{len(verbs)} verbs have their help and their page")
    return 1 if faults or len(verbs) < len(READERS) else 0


if __name__ == "__main__":
    sys.exit(main())
