#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The rules of HACKING.md that a machine can hold: one noun a file and no file too long, names
that say something, a licence line, no work left in a comment, and every `file:function` that
ARCHITECTURE.md walks through, and docs/pass.md names, really there."""
import pathlib
import re
import subprocess
import sys

LINES_MAX = 600
VAGUE = {"util", "utils", "common", "misc", "helper", "helpers", "core", "manager", "stuff"}
LEFT = re.compile(r"\b(TODO|FIXME|XXX)\b")
STEP = re.compile(r"`(src/[\w/]+\.[ch]):(\w+)`")


def tracked(top):
    out = subprocess.run(["git", "-C", top, "ls-files", "-co", "--exclude-standard"],
                         capture_output=True, text=True, check=True).stdout
    return [pathlib.Path(top) / name for name in out.split("\n") if name]


def code_faults(top, path):
    name = path.relative_to(top)
    text = path.read_text(errors="replace")
    lines = text.count("\n")
    if lines > LINES_MAX:
        yield f"{name}: {lines} lines, {LINES_MAX} at most: it has a second subject"
    if "SPDX-License-Identifier: MIT" not in text[:200]:
        yield f"{name}: no SPDX line at the top"
    if path.suffix in {".c", ".h"} and LEFT.search(text):
        yield f"{name}: work left in a comment: {LEFT.search(text).group(0)}"


def walk_faults(top):
    text = (top / "ARCHITECTURE.md").read_text()
    steps = STEP.findall(text)
    if len(steps) < 10:
        yield f"ARCHITECTURE.md: the walk has {len(steps)} steps of the form `src/…:function`"
    for name, function in steps:
        path = top / name
        if not path.exists() or not re.search(rf"\b{function}\(", path.read_text()):
            yield f"ARCHITECTURE.md: `{name}:{function}` is not there"


def pass_faults(top):
    """docs/pass.md has a row for each behaviour, and what a row names is there."""
    text = (top / "docs/pass.md").read_text()
    rows = re.findall(r"^\| (k?\d+) \|", text, re.MULTILINE)
    wanted = [str(n) for n in range(1, 43)] + [f"k{n}" for n in range(1, 9)]
    if rows != wanted:
        yield f"docs/pass.md: rows {sorted(set(wanted) ^ set(rows))} are missing or too many"
    for name, word in re.findall(r"`((?:src|test)/[\w/.]+)(?::(\w+))?`", text):
        path = top / name
        if not path.exists() or (word and not re.search(rf"\b{word}[(,)]", path.read_text())):
            yield f"docs/pass.md: `{name}{':' + word if word else ''}` is not there"


def example_faults(top):
    """What README.md shows is what is compiled: all of each example below its first comment."""
    shown = (top / "README.md").read_text()
    for path in sorted((top / "examples").glob("*.c")):
        text = path.read_text()
        if text.count("\n") >= 60:
            yield f"{path.relative_to(top)}: 60 lines or more"
        if text.split("*/\n", 2)[2] not in shown:
            yield f"README.md: does not show {path.relative_to(top)} as it is"


PRIVATE = {"usher_window_load", "usher_window_store"}  # what the inline accessors fall back on


def manual_faults(top):
    """Every call of libusher stands in a page of its manual."""
    manual = "".join(p.read_text() for p in (top / "docs/man").glob("usher_*.3.scd"))
    for header in sorted((top / "include/usher").glob("*.h")):
        for name in re.findall(r"\b(usher_[a-z0-9_]+)\(", header.read_text()):
            if name not in PRIVATE and not re.search(rf"\b{name}\b", manual):
                yield f"{header.relative_to(top)}: no page of docs/man has {name}()"


def main():
    top = pathlib.Path(sys.argv[1]).resolve()
    faults = []
    files = [p for p in tracked(str(top)) if p.is_file()]
    for path in files:
        if set(re.split(r"[._-]", path.name)) & VAGUE or set(path.relative_to(top).parts) & VAGUE:
            faults.append(f"{path.relative_to(top)}: the name says nothing about what is inside")
        if path.suffix in {".c", ".h", ".py", ".sh"}:
            faults += code_faults(top, path)
    faults += walk_faults(top)
    faults += pass_faults(top)
    faults += example_faults(top)
    faults += manual_faults(top)
    print("\n".join(faults) if faults else f"{len(files)} files keep the rules")
    return 1 if faults or not files else 0


if __name__ == "__main__":
    sys.exit(main())
