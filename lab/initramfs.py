# SPDX-License-Identifier: MIT
"""Initial RAM file systems: uncompressed cpio archives ("newc"), written without any tool.

Uncompressed, because QEMU loads the file into memory at no cost, and unpacking it in the emulation
costs time. Ref: Documentation/driver-api/early-userspace/buffer-format.rst.
"""
import hashlib
import pathlib
import stat
import time

import cache

BUSYBOX = pathlib.Path("/bin/busybox")


class Cpio:
    def __init__(self):
        self.parts = []
        self.size = 0
        self.inode = 0

    def directory(self, name):
        self._entry(name, stat.S_IFDIR | 0o755, b"")

    def file(self, name, data, mode=0o644):
        self._entry(name, stat.S_IFREG | mode, data)

    def link(self, name, target):
        self._entry(name, stat.S_IFLNK | 0o777, target.encode())

    def bytes(self):
        self._entry("TRAILER!!!", 0, b"")
        return b"".join(self.parts)

    def _entry(self, name, mode, data):
        self.inode += 1
        fields = [self.inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0]
        header = b"070701" + b"".join(b"%08x" % f for f in fields)
        self._append(header + name.encode() + b"\0")
        self._append(data)

    def _append(self, data):
        self.size += len(data)
        padding = -self.size % 4
        self.size += padding
        self.parts += [data, bytes(padding)]


def build(kind, kernel, applets, modules, files):
    """Makes (or finds) an initramfs of busybox, kernel modules and scripts.

    `modules` are loaded by the script itself, in the order of the lines of /modules.
    `files` maps a name inside to a path here. Returns the path of the archive.
    """
    sources = [BUSYBOX, pathlib.Path(__file__), *files.values()]
    key = hashlib.sha256(repr([applets, modules, sorted(files)]).encode())
    for source in sources:
        key.update(source.read_bytes())
    path = cache.directory() / f"{kind}-{kernel.version}-{key.hexdigest()[:16]}.cpio"
    if path.exists():
        path.touch()
        return path

    archive = Cpio()
    for name in ("bin", "dev", "proc", "sys", "run", "lib", "lib/modules"):
        archive.directory(name)
    archive.file("bin/busybox", BUSYBOX.read_bytes(), 0o755)
    for applet in applets:
        archive.link(f"bin/{applet}", "busybox")
    loads = kernel.module_files(*modules)
    for module in loads:
        archive.file(f"lib/modules/{module.name}", module.read_bytes())
    archive.file("modules", "".join(f"/lib/modules/{m.name}\n" for m in loads).encode())
    for name, source in files.items():
        archive.file(name, source.read_bytes(), 0o755)
    forget_old(path.parent)
    cache.write_whole(path, archive.bytes())
    return path


def forget_old(home):
    """Archives that were not used for a day; another lab may be about to use a younger one."""
    for path in home.glob("*.cpio"):
        if path.stat().st_mtime < time.time() - 24 * 3600:
            path.unlink(missing_ok=True)
