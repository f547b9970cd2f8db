#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Includes in one order: the file's own header, then ours ("…"), then system headers (<…>), a blank
line between these blocks, alphabetical inside a block.

usage: includes.py TOP [--fix]

The first run of #include lines of each file counts. A run ends at any line that is neither an include
nor blank, so includes inside #if, behind a #define or behind a comment keep their place.
"""
import pathlib
import re
import sys

from source import Tree

INCLUDE = re.compile(r'^#include\s+([<"])([^>"]+)[>"]')


def own_header(path, name):
    """src/a/b/c.c has "a/b/c.h" as its own header, and so has test/unit/a/c.c or test/unit/b/c.c."""
    file, header = pathlib.PurePath(path), pathlib.PurePath(name)
    if file.suffix != ".c" or header.suffix != ".h" or file.stem != header.stem:
        return False
    if "src" in file.parts:
        return file.with_suffix(".h").parts[-len(header.parts):] == header.parts
    return len(header.parts) > 1 and file.parts[-2] in header.parts[:-1]


def sorted_run(path, run):
    own, ours, system = [], [], []
    for line in dict.fromkeys(run):
        bracket, name = INCLUDE.match(line).groups()
        block = system if bracket == "<" else own if own_header(path, name) else ours
        block.append((name, line))
    out = []
    for block in (own, ours, system):
        if block:
            out += ([""] if out else []) + [line for _, line in sorted(block)]
    return out


def first_run(lines):
    """The first run as (start, end), end behind its last include; None if there is none to sort."""
    start = next((i for i, line in enumerate(lines) if INCLUDE.match(line)), None)
    if start is None or any(re.match(r"#\s*(if\b|ifdef\b|define\s+_)", line)
                            for line in lines[:start]):
        return None
    end = start
    for i in range(start, len(lines)):
        if INCLUDE.match(lines[i]):
            end = i + 1
        elif lines[i].strip():
            break
    return start, end


def in_order(path, text):
    """@text with its first run of includes sorted."""
    lines = text.split("\n")
    run = first_run(lines)
    if not run:
        return text
    start, end = run
    includes = [line for line in lines[start:end] if line.strip()]
    return "\n".join(lines[:start] + sorted_run(path, includes) + lines[end:])


def first_difference(text, want):
    pairs = zip(text.split("\n"), want.split("\n"))
    return next(number for number, (a, b) in enumerate(pairs, 1) if a != b)


def faults_of(tree):
    for name in tree.code():
        text = tree.text(name)
        want = in_order(name, text)
        if want != text:
            yield f"{name}:{first_difference(text, want)}: include out of order: ./dev fmt"


def main():
    tree = Tree(sys.argv[1])
    if sys.argv[2:] == ["--fix"]:
        for name in tree.code():
            text = tree.text(name)
            want = in_order(name, text)
            if want != text:
                (tree.top / name).write_text(want)
        return 0
    faults = list(faults_of(tree))
    print("\n".join(faults) if faults else f"{len(tree.code())} files have their includes in order")
    return 1 if faults or not tree.code() else 0


if __name__ == "__main__":
    sys.exit(main())
