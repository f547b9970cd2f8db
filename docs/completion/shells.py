#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What bash, zsh and fish complete when a person presses the tabulator, each in a terminal of its
own. shells.py USHER COMPLETIONS FIXTURE.host
"""
import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

SECONDS = 30  # until a shell has answered; 0.2 on a machine that does nothing else
# What is typed, then the line after the tabulator and an 'X': a blank before it shows that the word
# is finished. The host is `desktop.host`, in the folder where the shell is.
CASES = (
    ("usher uncl", "usher unclaim X"),
    ("usher help passt", "usher help passthrough X"),
    ("usher release --ret", "usher release --return X"),
    ("usher run --engine q", "usher run --engine qemu X"),
    ("usher run --return v", "usher run --return vfio X"),
    ("usher bind --allow inp", "usher bind --allow input X"),
    ("usher list --host desk", "usher list --host desktop.host X"),
    ("usher list --host=desk", "usher list --host=desktop.host X"),
    ("usher run --kernel vml", "usher run --kernel vmlinuz X"),
    ("usher bind --dry-run --host desktop.host 0000:02", "usher bind --dry-run --host desktop.host 0000:02:00.0 X"),
    ("usher bind --dry-run --host desktop.host 02", "usher bind --dry-run --host desktop.host 02:00.0 X"),
    ("usher show --host desktop.host eth", "usher show --host desktop.host eth0 X"),
    ("usher list --host desktop.host -o address,num", "usher list --host desktop.host -o address,numa X"),
    ("usher list --host desktop.host --driver i9", "usher list --host desktop.host --driver i915 X"),
    ("usher bind --driver v", "usher bind --driver vfio-pci X"),
    ("usher run --cpus ", "usher run --cpus X"),
    ("usher bind --timeout ", "usher bind --timeout X"),
    ("usher run --memory vml", "usher run --memory vmlX"),
    ("usher start sav", "usher start saved X"),
    ("usher edit sav", "usher edit saved X"),
)


def shells(completions):
    """name, command, what is typed before the first case."""
    yield "bash", ["bash", "--norc", "--noprofile", "-i"], [
        "PS1='> '; unset PROMPT_COMMAND; bind 'set bell-style none'", f". {completions}/usher.bash"]
    yield "zsh", ["zsh", "-f", "-i"], [
        "PS1='> '; unsetopt beep; setopt interactivecomments", f"fpath=({completions}/zsh $fpath)",
        "autoload -Uz compinit; compinit -u -D"]
    yield "fish", ["fish", "--no-config", "-i"], [
        "function fish_prompt; echo -n '> '; end; set -g fish_autosuggestion_enabled 0",
        "function fish_right_prompt; end; function fish_greeting; end",
        f"source {completions}/usher.fish"]


class Terminal:
    def __init__(self, folder, name, command, environment):
        self.socket = str(folder / f"tmux-{name}")
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", "150", "-y", "50", "-c", str(folder),
                  "env", "-i", *[f"{k}={v}" for k, v in environment.items()], *command)

    def tmux(self, *words):
        return subprocess.run(["tmux", "-S", self.socket, *words], capture_output=True, text=True,
                              check=True).stdout

    def type(self, text, *keys):
        if text:
            self.tmux("send-keys", "-l", text)
        for key in keys:
            self.tmux("send-keys", key)

    def lines(self):
        return [line.rstrip() for line in self.tmux("capture-pane", "-p").splitlines()]

    def wait(self, line):
        """Waits until the screen has this line. Return: the screen, if it never had."""
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            screen = self.lines()
            if line in screen:
                return None
            time.sleep(0.05)
        return "\n".join(filter(None, screen))

    def end(self):
        subprocess.run(["tmux", "-S", self.socket, "kill-server"], check=False, capture_output=True)


def try_shell(folder, name, command, setup, environment):
    faults = []
    terminal = Terminal(folder, name, command, environment)
    try:
        for line in setup:
            terminal.type(line, "Enter")
        terminal.type("echo is ready", "Enter")
        screen = terminal.wait("is ready")
        if screen:
            return [f"{name} does not start: {screen}"]
        for typed, wanted in CASES:
            terminal.type("", "C-u", "C-l")
            terminal.type(typed, "Tab")
            terminal.type("X")
            screen = terminal.wait(f"> {wanted}")
            if screen:
                faults.append(f"{name}: '{typed}' does not become '{wanted}' but\n{screen}")
    finally:
        terminal.end()
    return faults


def main():
    usher, completions, fixture = map(pathlib.Path, sys.argv[1:])
    missing = [name for name in ("tmux", "bash", "zsh", "fish") if not shutil.which(name)]
    if missing:
        print(f"missing: apt-get install {' '.join(missing)}")
        return 1
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        shutil.copy(fixture, folder / "desktop.host")
        (folder / "vmlinuz").touch()
        (folder / "guests").mkdir()
        (folder / "guests/saved").touch()
        (folder / "zsh").mkdir()
        shutil.copy(completions / "usher.zsh", folder / "zsh/_usher")
        for file in ("usher.bash", "usher.fish"):
            shutil.copy(completions / file, folder / file)
        environment = {"PATH": f"{usher.parent}:{os.environ['PATH']}", "HOME": name, "TERM": "screen",
                       "LC_ALL": "C.UTF-8", "USHER_GUESTS": f"{name}/guests", "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "")}
        with concurrent.futures.ThreadPoolExecutor() as pool:
            jobs = [pool.submit(try_shell, folder, *shell, environment) for shell in shells(folder)]
            faults = [fault for job in jobs for fault in job.result()]
    print("\n".join(faults) if faults else f"{len(CASES)} lines are completed in 3 shells")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
