#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Where output goes wrong: a full disk and a closed standard output are told of and are no success;
a snapshot never replaces a pipe or a node, follows a link of the caller's but none of another user,
and leaves nothing behind.
outputs.py USHER FIXTURE.host
"""
import os
import pathlib
import subprocess
import sys
import tempfile

FULL = pathlib.Path("/dev/full")


def complaint(words, **how):
    done = subprocess.run(words, stderr=subprocess.PIPE, text=True, check=False, **how)
    if done.returncode in (0, 141) or done.returncode < 0:
        return f"ends with {done.returncode}: {done.stderr}"
    return "" if "write" in done.stderr else f"says nothing of it: {done.stderr}"


def verbs(usher, fixture):
    for words in (["list"], ["list", "--json"], ["list", "--svg"], ["list", "--dot"],
                  ["show", "01:00.0"], ["show", "--json", "01:00.0"], ["check"],
                  ["check", "--json"], ["help", "group"], ["snapshot", "-"]):
        yield [usher, *words, "--host", fixture]
    yield [usher, "help"]
    yield [usher, "list", "--help"]


def told(usher, fixture):
    for words in verbs(usher, fixture):
        what = " ".join(map(str, words[1:3]))
        if FULL.is_char_device():
            with FULL.open("w") as full:
                fault = complaint(words, stdout=full)
            if fault:
                yield f"{what} on a full disk: {fault}"
        fault = complaint(words, preexec_fn=lambda: os.close(1))
        if fault:
            yield f"{what} with standard output closed: {fault}"


def kept(usher, fixture):
    with tempfile.TemporaryDirectory() as name:
        work = pathlib.Path(name)
        pipe, target, link = work / "pipe", work / "target", work / "link"
        os.mkfifo(pipe)
        target.write_text("before")
        link.symlink_to(target)
        # What somebody else may have put there beforehand, to be written through.
        (work / "own.new").symlink_to(work / "victim")
        with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE) as reader:
            subprocess.run([usher, "snapshot", "--host", fixture, pipe], check=True, timeout=60)
            if not reader.stdout.read().startswith(b"usher-host 2\n"):
                yield "a pipe did not get the snapshot"
        if not pipe.is_fifo():
            yield "a pipe was replaced by a file"
        subprocess.run([usher, "snapshot", "--host", fixture, link], check=True)
        if not link.is_symlink() or not target.read_text().startswith("usher-host 2\n"):
            yield "a link was not followed"
        subprocess.run([usher, "snapshot", "--exact", "--host", fixture, work / "own"], check=True)
        if (work / "own").stat().st_mode & 0o777 != 0o600:
            yield "others may read an exact snapshot"
        if (work / "victim").exists():
            yield "a link that lay in the way was followed"
        left = {path.name for path in work.iterdir()} - {"pipe", "target", "link", "own", "own.new"}
        if left:
            yield f"{left} was left behind"


STRANGER = 65534


def refused(usher, fixture, path, what):
    done = subprocess.run([usher, "snapshot", "--host", fixture, path], stderr=subprocess.PIPE,
                          text=True, check=False)
    if done.returncode != 1 or "another user" not in done.stderr:
        yield f"{what} of another user: ends with {done.returncode}: {done.stderr}"


def guarded(usher, fixture):
    """What another user put into a folder like /tmp; only root can play that user."""
    if os.geteuid() != 0:
        return
    with tempfile.TemporaryDirectory() as name:
        shared, victim = pathlib.Path(name) / "shared", pathlib.Path(name) / "victim"
        shared.mkdir()
        shared.chmod(0o1777)
        victim.write_text("before")
        link, folder, file = shared / "link", shared / "folder", shared / "file"
        link.symlink_to(victim)
        folder.symlink_to(name)
        file.write_text("before")
        for path in link, folder, file:
            os.lchown(path, STRANGER, STRANGER)
        yield from refused(usher, fixture, link, "a link")
        yield from refused(usher, fixture, folder / "victim", "a folder's link")
        yield from refused(usher, fixture, file, "a file")
        if victim.read_text() != "before" or file.read_text() != "before":
            yield "what another user pointed at was overwritten"
        if {path.name for path in shared.iterdir()} != {"link", "folder", "file"}:
            yield "a file was left in the shared folder"


def main():
    usher, fixture = sys.argv[1], sys.argv[2]
    faults = [*told(usher, fixture), *kept(usher, fixture), *guarded(usher, fixture)]
    print("\n".join(faults) if faults else "what cannot be written is told of")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
