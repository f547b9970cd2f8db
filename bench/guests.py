# SPDX-License-Identifier: MIT
"""Guests that a bench talks to, inside the emulated host, and what they take there."""
import os
import pathlib
import re
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lab"))
import initramfs  # noqa: E402

PATIENCE = 240  # [s] for one guest; a slow machine needs 60


class Talk:
    """A guest that says 'guest: …' and goes on when it gets a line."""

    def __init__(self, words, patience=PATIENCE, fds=()):
        self.words = words
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, errors="replace", pass_fds=fds)
        self.watch = threading.Timer(patience, self.process.kill)
        self.watch.daemon = True  # a bench that forgets a guest ends all the same
        self.watch.start()

    def hear(self, what):
        said = []
        for line in self.process.stdout:
            said.append(line)
            if line.startswith("guest: " + what):
                return line.strip()
        self.process.kill()
        self.watch.cancel()
        sys.exit(f"bench: {self.words[0]}: no '{what}'\n{''.join(said)[-2000:]}\n{self.process.stderr.read()[-2000:]}")

    def go(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self):
        """Of a guest that ends by itself. Return: what --timing told."""
        self.process.stdin.close()
        self.process.stdout.read()
        said = self.process.stderr.read()
        self.process.wait()
        self.watch.cancel()
        return said

    def stop(self, program):
        # QEMU has nothing to restore, and sometimes ignores SIGTERM.
        os.kill(process_of(program), 15 if program == "usher-vmm" else 9)
        return self.end()


def process_of(program):
    return int(subprocess.run(["pgrep", "-n", "-x", program], capture_output=True, text=True,
                              check=True).stdout)


def needed(program):
    """The program and what it is linked with, as {path inside: file here}; a static one is alone (ldd fails)."""
    said = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    return {path.lstrip("/"): path for path in [str(program), *re.findall(r"(/\S+) \(0x", said)]}


def scripted(initrd, script, files=None, path="/tmp/bench-initrd"):
    """The initramfs with a script, and files, behind it, at @path."""
    archive = initramfs.Cpio()
    made = set()
    for inside, here in (files or {}).items():
        for parent in reversed(pathlib.PurePath(inside).parents[:-1]):
            if parent not in made:
                archive.directory(str(parent))
                made.add(parent)
        archive.file(inside, pathlib.Path(here).read_bytes(), 0o755)
    archive.file("script", ("busybox --install -s /bin\n" + script).encode())
    pathlib.Path(path).write_bytes(pathlib.Path(initrd).read_bytes() + archive.bytes())
    return path


def share_of(process):
    """The memory of a process [KiB]; a shared page counts by its share (PSS)."""
    text = pathlib.Path(f"/proc/{process}/smaps_rollup").read_text()
    return int(re.search(r"^Pss:\s+(\d+)", text, re.M)[1])
