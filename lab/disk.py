# SPDX-License-Identifier: MIT
"""Disk images of the emulated host."""
import hashlib
import os
import subprocess

import cache

PATTERN_SIZE = 64 << 20
CONTENT_SIZE = 16 << 20
CHECKED_SIZE = 8 << 20
TFTP_SIZE = 256 << 10
PERSIST_SIZE = 256 << 20


def pattern():
    """The disk of an NVMe device: 16 MiB of pseudo-random bytes, then zeros; always the same.

    Each boot writes to a snapshot of it, so no run sees the writes of another.
    """
    path = cache.directory() / "disk-pattern.raw"
    if not path.exists():
        cache.write_whole(path, content())
        os.truncate(path, PATTERN_SIZE)
    return path


def content():
    return hashlib.shake_128(b"usher lab").digest(CONTENT_SIZE)


def pattern_checksum():
    """SHA-256 of the first 8 MiB, which a guest with this disk reads."""
    path = cache.directory() / "disk-pattern.sha256"
    if not path.exists():
        cache.write_whole(path, hashlib.sha256(content()[:CHECKED_SIZE]).hexdigest().encode())
    return path.read_text()


def tftp():
    """A directory for the TFTP server of the emulated network: the first 256 KiB of each disk."""
    home = cache.directory() / "tftp"
    path = home / "pattern"
    if not path.exists():
        home.mkdir(exist_ok=True)
        cache.write_whole(path, content()[:TFTP_SIZE])
    return home


def persistent(name):
    """An ext4 image that survives a boot. The caller holds the lock persist-NAME."""
    home = cache.directory() / "persist"
    home.mkdir(exist_ok=True)
    path = home / f"{name}.ext4"
    if not path.exists():
        make_ext4(path)
    return path


def forget(name):
    (cache.directory() / "persist" / f"{name}.ext4").unlink(missing_ok=True)
    cache.lock_file(f"persist-{name}").unlink(missing_ok=True)


def make_ext4(path):
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    with open(part, "wb") as file:
        file.truncate(PERSIST_SIZE)
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-L", "persist", part], check=True)
    part.rename(path)
