#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Which share of the lines that a fuzzer is about its inputs reach.

coverage.py SOURCES BUILD NAME FOLDER…: replays the inputs in these folders by BUILD/test/fuzz/replay_NAME,
which gcc compiled with --coverage. The files that count are those in the lines 'covers:' of NAME.c.
"""
import collections
import json
import pathlib
import re
import subprocess
import sys

ENOUGH = 0.85
SHOWN = 12  # ranges of lines that were not reached, of each file


def wanted(source):
    names = re.findall(r"^ \* covers: (.*)$", source.read_text(), re.M)
    if not names:
        sys.exit(f"coverage: {source} has no line 'covers:'")
    return " ".join(names).split()


def lines_of(build):
    """{file: {line: how often}} from what was counted last."""
    found = collections.defaultdict(collections.Counter)
    data = [str(p) for p in build.rglob("*.gcda")]
    done = subprocess.run(["gcov", "--json-format", "--stdout", *data], cwd=build, check=False,
                          capture_output=True, text=True)
    for text in done.stdout.splitlines():
        if text.startswith("{"):
            for file in json.loads(text)["files"]:
                name = str(pathlib.Path(build, file["file"]).resolve())
                for line in file["lines"]:
                    found[name][line["line_number"]] += line["count"]
    return found


def ranges(numbers):
    """'12-14, 20' of [12, 13, 14, 20]."""
    found = []
    for n in numbers:
        if found and found[-1][1] == n - 1:
            found[-1][1] = n
        else:
            found.append([n, n])
    texts = [f"{a}" if a == b else f"{a}-{b}" for a, b in found]
    return ", ".join(texts[:SHOWN]) + (", …" if len(texts) > SHOWN else "")


def main():
    top, build = (pathlib.Path(p).resolve() for p in sys.argv[1:3])
    name, *folders = sys.argv[3:]
    for path in build.rglob("*.gcda"):
        path.unlink()
    replay = build / "test/fuzz" / f"replay_{name}"
    if subprocess.run([replay, *folders], stdout=subprocess.DEVNULL, check=False).returncode:
        sys.exit(f"coverage: {replay} fails")
    counted = lines_of(build)
    reached = total = 0
    for file in wanted(top / "test/fuzz" / f"{name}.c"):
        lines = counted.get(str(top / file))
        if not lines:
            sys.exit(f"coverage: {file} is not a part of the fuzzer '{name}'")
        missed = sorted(n for n, count in lines.items() if not count)
        reached += len(lines) - len(missed)
        total += len(lines)
        print(f"  {file}: {len(lines) - len(missed)} of {len(lines)} lines" +
              (f"; not {ranges(missed)}" if missed else ""))
    share = reached / total
    print(f"bar fuzz.{name}.lines {share:.3f} >= {ENOUGH} {'ok' if share >= ENOUGH else 'short'}", flush=True)


if __name__ == "__main__":
    main()
