#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a terminal shows: the first screen of `usher check` fits 80x24, tables work on 40 columns and on
a terminal without a size, no colour is invisible on black or white, and nothing ends in blanks.
screen.py USHER FIXTURES
"""
import fcntl
import os
import pathlib
import pty
import re
import select
import struct
import subprocess
import sys
import termios

COLOUR = re.compile(r"\x1b\[([0-9;]*)m")
# Green, red, bold and dim text is readable in dark and light themes, whose black and white are their own
# backgrounds' (with bold black), and in which yellow and cyan are too pale on white. No background is set.
VISIBLE = {"", "0", "1", "2", "31", "32"}
LONG = re.compile(r"\S{28,}|'[^']{20,}'")  # paths and short commands are never broken


def shown(words, rows, columns, **env):
    """What appears on a terminal of this size. It stays open here: when the last one closes it, the
    kernel may drop what was not read yet."""
    master, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    child = subprocess.Popen(words, stdin=terminal, stdout=terminal, stderr=terminal,
                             env={"PATH": os.environ["PATH"], "TERM": "xterm", **env})
    text = b""
    while True:
        ended = child.poll() is not None
        if select.select([master], [], [], 0 if ended else 0.01)[0]:
            text += os.read(master, 65536)
        elif ended:
            break
    os.close(terminal)
    os.close(master)
    return text.decode(errors="replace").replace("\r\n", "\n")


def plain(text):
    return COLOUR.sub("", text)


def too_wide(text, columns):
    return [line for line in plain(text).splitlines()
            if len(line) > columns and not LONG.search(line)]


def first_screen(usher, fixtures):
    words = [usher, "check", "--host", str(fixtures / "desktop.host")]
    for extra in ([], ["-n"]):
        text = shown(words + extra, 24, 80)
        # The shell's prompt needs a line, too.
        if text.count("\n") > 23:
            yield f"the first screen has {text.count(chr(10))} lines:\n{text}"
        if too_wide(text, 80):
            yield f"the first screen is wider than 80 columns: {too_wide(text, 80)}"


def sizes(usher, path):
    address = subprocess.run([usher, "list", "-l", "-n", "-o", "address", "--host", path],
                             capture_output=True, text=True, check=False).stdout.split()[1:]
    for verb in (["list"], ["list", "-t"], ["list", "-l"], ["check"], ["check", "--all"],
                 ["check", *address]):
        words = [usher, *verb, "-n", "--host", str(path)]
        piped = subprocess.run(words, capture_output=True, text=True, check=False).stdout
        for columns in (40, 80):
            text = shown(words, 24, columns)
            if verb[0] == "check" and too_wide(text, columns):
                yield f"{path.stem}: {verb} on {columns} columns: {too_wide(text, columns)}"
            # Narrow tables leave columns out, but never a device or a part of the reason.
            missing = set(re.findall(r"0000:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]", piped)) - set(
                re.findall(r"0000:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]", text))
            if missing:
                yield f"{path.stem}: {verb} on {columns} columns lacks {missing}"
        if plain(shown(words, 0, 0)) != piped:
            yield f"{path.stem}: {verb} on a terminal without a size is not what a pipe gets"
        if re.search(r"[ \t]+$", piped, re.MULTILINE):
            yield f"{path.stem}: {verb} ends lines with blanks"


def words_broken(usher, fixtures):
    words = [usher, "list", "-n", "--host", str(fixtures / "desktop.host")]
    for columns in (40, 80):
        text = plain(shown(words, 24, columns))
        for word in ("default", "Xorg", "(pid", "group"):
            if word not in text:
                yield f"list on {columns} columns breaks the word '{word}':\n{text}"


def colours(usher, fixtures):
    used = set()
    for name, *verbs in (("desktop", ["show", "01:00.0"]), ("claims", ["claims"]), ("gpus",), ("sriov",)):
        path = str(fixtures / f"{name}.host")
        for verb in (["list"], ["list", "-t"], ["check"], ["check", "--all"], *verbs):
            words = [usher, *verb, "--host", path]
            codes = set(COLOUR.findall(shown(words, 24, 80)))
            if codes - VISIBLE:
                yield f"{name}: {verb} uses colours that some theme hides: {codes - VISIBLE}"
            used |= codes
            for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}, {"TERM": ""}):
                if "\x1b" in shown(words, 24, 80, **env):
                    yield f"{name}: {verb} has colours with {env}"
    if not {"31", "32", "2"} <= used:
        yield f"no verb shows red, green and dim text, so this test shows nothing: {used}"


def main():
    usher, fixtures = sys.argv[1], pathlib.Path(sys.argv[2])
    faults = [*first_screen(usher, fixtures), *words_broken(usher, fixtures),
              *colours(usher, fixtures)]
    for name in ("desktop", "server", "gpus", "hostile", "vmd"):
        faults += sizes(usher, fixtures / f"{name}.host")
    print("\n".join(faults) if faults else "terminals show what they should")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
