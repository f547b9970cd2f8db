#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""lab/tests.py checks the JSON documents of a live test, and fails the test by a wrong one."""
import base64
import contextlib
import io
import pathlib
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TOP / "lab"))
import tests


def expect(what, expected, found):
    if expected != found:
        sys.exit(f"FAILED: {what}: {found}, expected {expected}")


def document(text):
    return f"document {base64.b64encode(text.encode()).decode()} usher list --json"


def reported(*lines, is_last=True):
    """Return: the results, and what is printed."""
    report = tests.Report(is_last)
    with contextlib.redirect_stdout(io.StringIO()) as out:
        report.feed("".join(f"{line}\n" for line in lines).encode())
    return report.results, out.getvalue()


golden = (TOP / "test/golden/list_bare_json.txt").read_text()
good = golden[golden.index("{\n"):golden.rindex("\n}\n") + 3]
bad = good.replace('"verb"', '"word"')

expect("a right document", ({"a": "ok"}, "ok live/a (1.0 s)\n"),
       reported("start a", document(good), "ok a (1.0 s)"))
results, text = reported("start a", document(good), document(bad), "ok a (1.0 s)")
expect("the result with a wrong document", {"a": "not ok"}, results)
for part in ("not ok live/a (1.0 s)\n", "\n  document 1: ", "\n  document 1 is of: usher list --json\n"):
    if part not in text:
        sys.exit(f"FAILED: a wrong document: no '{part}' in: {text}")
expect("no JSON at all", {"a": "not ok"}, reported("start a", document("so"), "ok a (1.0 s)")[0])
expect("the next test", {"a": "not ok", "b": "ok"},
       reported("start a", document(bad), "ok a (1.0 s)", "start b", "ok b (1.0 s)")[0])
expect("a boot before the last", ({}, ""), reported("start a", document(good), "ok a (1.0 s)", is_last=False))
expect("a wrong document in a boot before the last", {"a": "not ok"},
       reported("start a", document(bad), "ok a (1.0 s)", is_last=False)[0])
