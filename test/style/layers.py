#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The layers of src/ hold: arrows point down only (ARCHITECTURE.md).

Reads every #include "module/noun.h" and refuses one that the table does not allow, a private
sub-folder's header used from another module, and a path that is not in module/file form.
"""
import re
import sys

from source import Tree

# What each module may include, besides itself.
LAYERS = {
    "base": [],
    "host": ["base"],
    "pci": ["base", "host"],
    "hold": ["base", "host", "pci"],
    "bind": ["base", "host", "pci", "hold"],
    "libvirt": ["base", "host", "pci", "hold", "bind", "wire"],
    "claim": ["base", "host", "pci", "hold", "bind"],
    "vfs": ["base", "host", "pci", "hold", "bind"],
    "revive": ["base", "host", "pci", "hold", "bind", "claim"],
    "desktop": ["base", "host", "pci", "hold", "bind"],
    "check": ["base", "host", "pci", "hold", "bind", "libvirt", "claim", "desktop"],
    "vfio": ["base", "host", "pci", "hold"],
    "regs": [],
    "model": ["base", "host", "pci", "vfio", "regs"],
    "lib": ["base", "host", "pci", "hold", "vfio", "model"],
    "driver": ["base", "regs"],
    "wire": ["base", "pci"],
    "program": ["base", "wire"],
    "control": ["base"],
    "monitor": ["base", "host", "pci", "hold", "bind", "claim", "check", "control"],
    "metrics": ["base", "host", "pci", "hold", "bind", "control"],
    "vmm": ["base", "pci", "vfio", "wire"],
    "engine": ["base", "host", "pci", "hold", "bind", "libvirt", "vfio", "wire", "program",
               "control"],
    "lease": ["base", "host", "pci", "hold", "bind", "vfio", "wire", "program", "control", "engine"],
    "image": ["base", "wire", "program", "engine"],
    "view": ["base", "host", "pci", "hold", "bind", "libvirt", "claim", "vfs", "revive", "check"],
    "daemon": ["base", "host", "pci", "hold", "bind", "claim", "vfs", "revive", "vfio", "wire",
               "control", "engine", "lease", "view", "monitor"],
    "cli": ["base", "host", "pci", "hold", "bind", "libvirt", "claim", "vfs", "revive", "desktop", "vfio", "model",
            "lib", "driver", "program", "control", "engine", "lease", "image", "check", "view", "monitor", "metrics"],
}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')


def faults_in(src, path):
    module = path.relative_to(src).parts[0]
    if module not in LAYERS:
        yield f"src/{module}:1: module '{module}' is not in the table of test/style/layers.py"
        return
    for number, line in enumerate(path.read_text().splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        target = match.group(1)
        parts = target.split("/")
        where = f"{path.relative_to(src.parent)}:{number}"
        if len(parts) < 2 or not (src / target).exists():
            yield f'{where}: "{target}" is not a module/noun.h of ours'
        elif parts[0] != module and parts[0] not in LAYERS[module]:
            yield f'{where}: {module} must not know "{target}"'
        elif len(parts) > 2 and parts[0] != module:
            yield f'{where}: "{target}" is private to {parts[0]}'


def faults_of(tree):
    for name in tree.code("src"):
        yield from faults_in(tree.top / "src", tree.top / name)


def table_faults(tree):
    """ARCHITECTURE.md has a row for each module."""
    here = {name.split("/")[1] for name in tree.code("src")}
    rows = re.findall(r"^\| `(\w+)/` \|", tree.text("ARCHITECTURE.md"), re.MULTILINE)
    for module in sorted(here - set(rows)):
        yield f"ARCHITECTURE.md:1: the table of layers has no row of src/{module}/"
    for module in (row for row in rows if row not in here):
        yield f"ARCHITECTURE.md:1: the table of layers has a row of {module}/, which is not in src/"


def main():
    tree = Tree(sys.argv[1])
    faults = [*faults_of(tree), *table_faults(tree)]
    print("\n".join(faults) if faults else f"{len(tree.code('src'))} files keep their layers")
    return 1 if faults or not tree.code("src") else 0


if __name__ == "__main__":
    sys.exit(main())
