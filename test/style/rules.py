#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The rules of HACKING.md that need no more than a look at a file: one noun a file and no file too
long, names that say something, a licence line, no work left in a comment; the examples stand in
README.md, each call of libusher in a man page, each behaviour of passthrough in docs/pass.md."""
import pathlib
import re
import sys

from source import Tree

LINES_MAX = 600
VAGUE = {"util", "utils", "common", "misc", "helper", "helpers", "core", "manager", "stuff"}
LEFT = re.compile(r"\b(TODO|FIXME|XXX)\b")
PRIVATE = {"usher_window_load", "usher_window_store"}  # what the inline accessors fall back on


def vague_names(tree):
    for name in tree.names:
        path = pathlib.PurePath(name)
        if set(re.split(r"[._-]", path.name)) & VAGUE or set(path.parts) & VAGUE:
            yield f"{name}:1: the name says nothing about what is inside"


def long_files(tree):
    for name in tree.names:
        lines = tree.text(name).count("\n") if name.endswith((".c", ".h", ".py", ".sh")) else 0
        if lines > LINES_MAX:
            yield f"{name}:{lines}: {lines} lines, {LINES_MAX} at most: the file has a second subject"


def missing_licences(tree):
    for name in tree.names:
        if name.endswith((".c", ".h", ".py", ".sh")) and \
                "SPDX-License-Identifier: MIT" not in tree.text(name)[:200]:
            yield f"{name}:1: no SPDX line at the top"


def work_left(tree):
    for name in tree.code():
        for number, line in enumerate(tree.text(name).split("\n"), 1):
            if LEFT.search(line):
                yield f"{name}:{number}: work left in a comment: {LEFT.search(line).group(0)}"


def pass_rows(tree):
    """docs/pass.md has a row for each behaviour."""
    rows = re.findall(r"^\| (k?\d+) \|", tree.text("docs/pass.md"), re.MULTILINE)
    wanted = [str(n) for n in range(1, 46)] + [f"k{n}" for n in range(1, 9)]
    if rows != wanted:
        yield f"docs/pass.md:1: rows {sorted(set(wanted) ^ set(rows))} are missing or too many"


def shown_examples(tree):
    """What README.md shows is what is compiled: all of each example below its first comment."""
    for name in (n for n in tree.code("examples") if n.endswith(".c")):
        text = tree.text(name)
        if text.count("\n") >= 60:
            yield f"{name}:60: 60 lines or more"
        if text.split("*/\n", 2)[2] not in tree.text("README.md"):
            yield f"README.md:1: does not show {name} as it is"


def manual_pages(tree):
    """Every call of libusher stands in a page of its manual."""
    manual = "".join(tree.text(name) for name in tree.names
                     if re.match(r"docs/man/usher_\w+\.3\.scd$", name))
    for header in tree.code("include/usher"):
        for number, line in enumerate(tree.text(header).split("\n"), 1):
            for call in re.findall(r"\b(usher_[a-z0-9_]+)\(", line):
                if call not in PRIVATE and not re.search(rf"\b{call}\b", manual):
                    yield f"{header}:{number}: no page of docs/man has {call}()"


RULES = (vague_names, long_files, missing_licences, work_left, pass_rows, shown_examples, manual_pages)


def main():
    tree = Tree(sys.argv[1])
    faults = [fault for rule in RULES for fault in rule(tree)]
    print("\n".join(faults) if faults else f"{len(tree.names)} files keep the rules")
    return 1 if faults or not tree.names else 0


if __name__ == "__main__":
    sys.exit(main())
