# SPDX-License-Identifier: MIT
"""Programs of this machine, for guests: a disk with one program and the libraries that it needs.

A library's file is in /lib of the disk, whatever folder it comes from. The disk is made here, because to
copy some 80 MB takes long in the emulation; the guest reads only what it uses.
"""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import cache


def image(name):
    """Makes or finds the ext4 image program-NAME.ext4."""
    program = shutil.which(name)
    if not program:
        raise cache.LabError(f"this machine has no {name}")
    path = cache.directory() / f"program-{name}.ext4"
    with cache.locked(path.name):
        if not path.exists() or path.stat().st_mtime < os.stat(program).st_ctime:
            make(pathlib.Path(program), path)
    return path


def make(program, path):
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".program.") as place:
        tree, part = pathlib.Path(place, "tree"), pathlib.Path(place, "image")
        (tree / "lib").mkdir(parents=True)
        shutil.copy(program, tree)
        for library in re.findall(r"(/\S+) \(0x", listed):
            shutil.copy(library, tree / "lib")
        size = sum(file.stat().st_size for file in tree.rglob("*"))
        with open(part, "wb") as file:
            file.truncate((size + size // 4 + (4 << 20)) // 4096 * 4096)
        subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-O", "^has_journal", "-d", tree, part],
                       check=True)
        part.rename(path)
