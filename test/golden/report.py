#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Hosts of people who asked for help in public: usher gives the right answer to each.

    report.py USHER FOLDER

FOLDER has NAME.host, a small rebuilt host, and NAME.txt, what usher prints for it. Comments of the host
say more: `# ask: VERB …` is a command besides `check -n`, `# right: TEXT` has to be in an answer, and
`# wrong: TEXT` must be in none. UPDATE=1 writes the texts anew; what is right and wrong still holds.
"""
import concurrent.futures
import difflib
import os
import pathlib
import shlex
import subprocess
import sys

HOSTS = 48  # there are at least


def answer(usher, path, words):
    """A command as a person would type it, and all that it prints."""
    done = subprocess.run([usher, *words, "--host", path], capture_output=True, text=True, check=False,
                          env={"PATH": os.environ["PATH"], "LC_ALL": "C"})
    said = "".join(f"! {line}\n" for line in done.stderr.splitlines())
    return f"$ usher {shlex.join(words)}\n{done.stdout}{said}= {done.returncode}\n"


def notes(path, kind):
    start = f"# {kind}: "
    return [line[len(start):] for line in path.read_text().splitlines() if line.startswith(start)]


def faults_of(usher, path):
    commands = [["check", "-n"], *map(shlex.split, notes(path, "ask"))]
    text = "".join(answer(usher, path, words) for words in commands).replace(str(path), path.name)
    golden, faults = path.with_suffix(".txt"), []
    if os.environ.get("UPDATE"):
        golden.write_text(text)
    elif not golden.exists() or golden.read_text() != text:
        before = golden.read_text() if golden.exists() else ""
        faults += difflib.unified_diff(before.splitlines(), text.splitlines(), str(golden), "usher",
                                       lineterm="")
    right = notes(path, "right")
    faults += [f"{path.name}: no answer has: {part}" for part in right if part not in text]
    faults += [f"{path.name}: an answer has: {part}" for part in notes(path, "wrong") if part in text]
    if not right:
        faults.append(f"{path.name}: does not say what is right")
    return faults


def main():
    usher, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    hosts, faults = sorted(folder.glob("*.host")), []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for found in pool.map(lambda path: faults_of(usher, path), hosts):
            faults += found
    stray = {path.stem for path in folder.glob("*.txt")} - {path.stem for path in hosts}
    faults += [f"{name}.txt is of no host" for name in sorted(stray)]
    if len(hosts) < HOSTS:
        faults.append(f"{len(hosts)} hosts, {HOSTS} at least are wanted")
    print("\n".join(faults) if faults else f"{len(hosts)} hosts get the right answer")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
