# SPDX-License-Identifier: MIT
"""Prints a junit file of meson's as 'ok NAME', 'not ok NAME' and 'skip NAME: reason'.

usage: junit.py PART FILE [WORD…]: only tests whose name has one of the words.
"""
import re
import sys
import xml.etree.ElementTree as xml


def main(part, path, *words):
    for suite in xml.parse(path).iter("testsuite"):
        failed = False
        for case in suite.iter("testcase"):
            name = name_of(part, suite, case)
            if words and not any(word in name for word in words):
                continue
            kinds = {child.tag for child in case}
            if "skipped" in kinds:
                print(f"skip {name}: {reason(suite)}")
            elif kinds & {"failure", "error"}:
                failed = True
                print(f"not ok {name}")
            else:
                print(f"ok {name}")
        if failed:
            print("".join(f"  {line}\n" for line in words_of(suite)), end="")


def name_of(part, suite, case):
    """PART/PROGRAM/TEST. Only a program that speaks TAP has tests; Check says FILE:SUITE:TEST."""
    program, test = (re.sub(r"^(usher\.)?usher(:[\w-]+ / )?", "", e.get("name")) for e in (suite, case))
    test = re.sub(r"^.*\.c:[\w-]+:([\w-]+).*", r"\1", test)
    return "/".join(word for word in (part, program, test) if word)


def words_of(suite):
    texts = [e.text or "" for e in suite.iter() if e.tag in ("system-out", "system-err")]
    return "\n".join(texts).splitlines()


def reason(suite):
    said = [line for line in words_of(suite) if line.strip()]
    return said[-1].removeprefix("SKIP: ") if said else "no reason given"


main(*sys.argv[1:])
