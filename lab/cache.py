# SPDX-License-Identifier: MIT
"""The lab's cache of files that are slow to make, and its progress messages.

Everything in the cache can be deleted at any time; the next lab makes it again. A file is made under
a temporary name and renamed, so it is complete under its final name.
"""
import contextlib
import fcntl
import os
import pathlib
import shutil
import sys
import tempfile
import time

quiet = False

# depmod, modprobe and mke2fs are in sbin, which is not in an ordinary user's PATH.
os.environ["PATH"] = os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"


def say(text):
    """One line of progress on stderr, for people."""
    if not quiet:
        print(f"lab: {text}", file=sys.stderr, flush=True)


class LabError(Exception):
    """The lab itself failed (not the command it was asked to run)."""


def directory():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    path = pathlib.Path(base, "usher", "lab")
    path.mkdir(parents=True, exist_ok=True)
    return path


def lock_file(name):
    return directory() / f".{name}.lock"


@contextlib.contextmanager
def locked(name, *, wait=True):
    """Holds the cache's lock of that name. The kernel releases it when the process ends."""
    with open(lock_file(name), "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise LabError(f"{name} is in use by another lab") from None
        yield


@contextlib.contextmanager
def turn():
    """Waits until a processor is free for one more emulated host, and reserves it.

    An emulated host keeps one processor busy. With more hosts than processors all are slow, and their
    time limits mean nothing. Whoever waits first is served first: only one at a time looks for a
    free processor, and the kernel wakes the others in the order in which they came.
    """
    slots = range(os.cpu_count() or 1)
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(open(directory() / f".turn{n}.lock", "w")) for n in slots]
        with open(directory() / ".turns.lock", "w", encoding="utf-8") as line:
            if not taken(line) or not any(taken(file) for file in files):
                say(f"{len(files)} emulated hosts are running; waiting for one to end")
                fcntl.flock(line, fcntl.LOCK_EX)
                while not any(taken(file) for file in files):
                    time.sleep(0.2)
        yield


def taken(file):
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def made_whole(path):
    """Yields a new temporary directory that becomes `path` when the block ends without an error."""
    part = pathlib.Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        yield part
        part.chmod(0o755)
        if path.exists():
            shutil.rmtree(path)
        part.rename(path)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def write_whole(path, data):
    """Writes a file atomically."""
    fd, part = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    with open(fd, "wb") as file:
        file.write(data)
    os.chmod(part, 0o644)
    os.rename(part, path)
