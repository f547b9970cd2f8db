#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""No writer of src/view/ reads a host: it gets facts, and writes them.

usage: writers.py TOP BUILD

Whatever reads a host takes a `struct host`. So a writer's source names none, no structure that a
header of view/ defines holds one (but for the source of facts), and its object file uses no symbol
of src/host/ and opens no file.
"""
import json
import pathlib
import re
import subprocess
import sys

WRITER = re.compile(r"(_(text|json|dot|svg)|^(column|json|table|wrap))\.c$")
QUOTED = re.compile(r'/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)
HOST = re.compile(r"\b(?:host|host_\w+|bind_env\w*|fact_source\w*)\b")
MEMBER = re.compile(r"^struct (\w+) \{\n(.*?)^\}", re.DOTALL | re.MULTILINE)
READS_FILES = {"open", "open64", "openat", "openat64", "fopen", "fopen64", "opendir", "readlink",
               "readlinkat", "stat", "stat64", "lstat", "fstatat", "access", "popen", "system"}


def bare(text):
    return QUOTED.sub(lambda match: re.sub(r"[^\n]", " ", match.group(0)), text)


def source_faults(path):
    text = path.read_text()
    for number, line in enumerate(bare(text).splitlines(), 1):
        if HOST.search(line):
            yield f"{path.name}:{number}: a writer names a host: {line.strip()}"
    for include in re.findall(r'#include "(host/[^"]+)"', text):
        yield f"{path.name}: a writer includes {include}"


def header_faults(path):
    for name, members in MEMBER.findall(bare(path.read_text())):
        if name != "fact_source" and re.search(r"struct host \*|struct bind_env\b", members):
            yield f"{path.name}: struct {name} carries a host to its writers"


def symbols(made, kind):
    """Of the object file @made: those that it defines or uses, as nm(1) calls it."""
    out = subprocess.run(["nm", "-P", kind, str(made)], capture_output=True, text=True, check=True)
    return {line.split()[0] for line in out.stdout.splitlines()}


def objects_of(top, build):
    commands = json.loads((build / "compile_commands.json").read_text())
    for command in commands:
        source = (pathlib.Path(command["directory"]) / command["file"]).resolve()
        made = build / command["output"]
        if top / "src" in source.parents and made.exists():
            yield source, made


def main():
    top, build = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
    view = top / "src" / "view"
    writers = sorted(path for path in view.glob("*.c") if WRITER.search(path.name))
    faults = [fault for path in writers for fault in source_faults(path)]
    faults += [fault for path in sorted(view.glob("*.h")) for fault in header_faults(path)]
    objects = list(objects_of(top, build))
    forbidden = READS_FILES.union(*(symbols(made, "--defined-only") for source, made in objects
                                    if source.parent == top / "src" / "host"))
    checked = [(source, made) for source, made in objects if source in writers]
    for source, made in checked:
        used = sorted(symbols(made, "--undefined-only") & forbidden)
        faults += [f"{source.name}: a writer uses {symbol}()" for symbol in used]
    print("\n".join(faults) if faults else f"{len(writers)} writers read no host")
    return 1 if faults or not checked else 0


if __name__ == "__main__":
    sys.exit(main())
