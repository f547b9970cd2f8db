#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""firmware.py USHER: a guest of QEMU boots OVMF, which finds the guest's disk and its TPM, and keeps a
variable over a second start. QEMU emulates the processor, so this needs no KVM and no device.

The guest's folders are in a mount namespace of this test: nothing of this machine is changed. Without
root there are no users to confine QEMU and swtpm to, so a user namespace stands in, without a TPM.
"""
import os
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time

CODE = "/usr/share/OVMF/OVMF_CODE_4M.fd"
GUID = "11111111-2222-3333-4444-555555555555"
PROMPT = r"Shell> $"
PATIENCE = 240  # [s] for a boot; on an idle machine it takes 15
BOARD = "-M q35,accel=tcg -cpu max -nodefaults -display none -serial stdio".split()


def skip(reason):
    print(reason)
    sys.exit(77)


def enter_namespace():
    """Runs this program again, with its own /run and /var/lib."""
    is_root = os.geteuid() == 0
    if not is_root and subprocess.run(["unshare", "-rm", "true"], check=False,
                                      stderr=subprocess.DEVNULL).returncode:
        skip("no user namespaces here")
    script = 'mount -t tmpfs none /run && mount -t tmpfs none /var/lib && exec "$@"'
    os.execvp("unshare", ["unshare", "-m" if is_root else "-rm", "sh", "-c", script, "sh", sys.executable,
                          "-B", *sys.argv, "root" if is_root else "user"])


class Guest:
    def __init__(self, usher, disk, is_root):
        words = ["--tpm"] if is_root else ["--no-sandbox"]
        # A guest in its shell has no end of its own: whatever happens to this test, timeout ends it.
        self.process = subprocess.Popen(
            ["timeout", "--kill-after=10", str(2 * PATIENCE), usher, "run", "--engine=qemu",
             "--firmware", "uefi", "--net", "none", "--memory", "256M", "--name", "box",
             "--disk", disk, *words, "--", *BOARD],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.said = self.rest = ""
        self.deadline = time.monotonic() + PATIENCE

    def await_text(self, pattern, start=0):
        """What it says from @start on, until @pattern is in it."""
        while not re.search(pattern, self.said[start:]):
            if time.monotonic() > self.deadline or self.process.poll() is not None:
                self.process.terminate()
                sys.exit(f"no '{pattern}' in:\n{self.said[-3000:]}")
            if select.select([self.process.stdout], [], [], 1)[0]:
                text = self.rest + (self.process.stdout.read() or b"").decode(errors="replace")
                # A sequence of the terminal may come in two parts.
                begun = re.search(r"\x1b(\[[0-9;=?]*)?$", text)
                self.rest = begun.group() if begun else ""
                text = text[:len(text) - len(self.rest)]
                self.said += re.sub(r"\x1b\[[0-9;=?]*[A-Za-z]", "", text)
        return self.said[start:]

    def type_line(self, line):
        """Key by key: the firmware's serial port has a small buffer. Returns the answer."""
        start = len(self.said)
        for key in line + "\r":
            self.process.stdin.write(key.encode())
            self.process.stdin.flush()
            time.sleep(0.03)
        return self.await_text(r"\r?\n[^$]*" + PROMPT, start)

    def boot(self):
        self.await_text("Press ESC")
        self.process.stdin.write(b"\x1b")
        self.process.stdin.flush()
        self.await_text(PROMPT)

    def end(self):
        self.process.stdin.write(b"reset -s\r")
        self.process.stdin.flush()
        status = self.process.wait(timeout=60)
        if status:
            sys.exit(f"status {status}:\n{self.said[-3000:]}")


def expect(text, found):
    if text not in found:
        sys.exit(f"no '{text}' in:\n{found}")


def main():
    usher = sys.argv[1]
    for program in ("qemu-system-x86_64", "swtpm", "unshare"):
        if not shutil.which(program):
            skip(f"{program} is not installed")
    if not os.path.exists(CODE):
        skip(f"{CODE} is not there: the package ovmf is not installed")
    if len(sys.argv) < 3:
        enter_namespace()
    is_root = sys.argv[2] == "root"
    with tempfile.TemporaryDirectory(prefix="usher-firmware.") as home:
        disk = os.path.join(home, "disk")
        with open(disk, "wb") as file:
            file.truncate(8 << 20)
        guest = Guest(usher, disk, is_root)
        guest.boot()
        expect("BLK0", guest.said)
        guest.type_line(f"setvar usher -guid {GUID} -bs -rt -nv =0x41424344")
        if is_root:
            expect(": Tcg2", guest.type_line("dh -p Tcg2"))  # a handle's number, and its protocol
        guest.end()
        guest = Guest(usher, disk, is_root)
        guest.boot()
        expect("44 43 42 41", guest.type_line(f"setvar usher -guid {GUID}"))
        guest.end()


main()
