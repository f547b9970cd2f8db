#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every verb has help with an example and a man page, and both tell of the same options; the helps
have one form and fit a terminal of 80 columns. The pages tell of each variable of the environment,
each check by name, and each fault of a model that the code knows. pages.py USHER DOCS
"""
import pathlib
import re
import subprocess
import sys

READERS = {"list", "show", "check", "snapshot", "prove", "help"}
TESTS_ONLY = {"USHER_BIND_DIE", "USHER_BIND_STOP"}  # HACKING.md
OPTION = re.compile(r"^ +(?:-[a-z], )?(--[a-z-]+)(?:, (--[a-z-]+))?", re.MULTILINE)
TERM = re.compile(r"^\*.*", re.MULTILINE)


def output(words):
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def form_faults(verb, text):
    """Options begin in column 3 with a short form, in column 7 without; their text in column 26."""
    lines = text.splitlines()
    if not lines[0].startswith(f"usage: usher {verb}"):
        yield "its help does not begin with its usage"
    if any(len(line) > 80 for line in lines):
        yield f"its help is wider than 80 columns: {max(lines, key=len)}"
    for line in lines:
        if not re.match(r" +-", line):
            continue
        form = re.match(r"(?:  -[a-z], |      )--[a-z][^ ,]*(?:, --[a-z-]+)?(?: [A-Z][^ ]*)?", line)
        rest = form and line[form.end():]
        if not form or (rest and (line[23:25] != "  " or line[25] == " ")):
            yield f"its help has an option in another form: {line}"
    if re.search(r"[;,:] default: ", text):
        yield "its help has a default without brackets"
    if re.search(r"^Examples?:.*(?<![.?:])$\n\n", text, re.MULTILINE):
        yield "its help has an example in another form"


def code_faults(usher, docs):
    pages = "\n".join(page.read_text() for page in (docs / "man").glob("*.scd"))
    code = "\n".join(file.read_text() for file in (docs.parent / "src").rglob("*.[ch]"))
    names = set(re.findall(r'getenv\("(\w+)"\)', code)) - TESTS_ONLY
    for name in sorted(names):
        if f"_{name}_" not in pages:
            yield f"no page tells of ${name}"
    checks = set(re.findall(r'\{\s*"([a-z-]+)",\s*PROBLEM_', code))
    liftable = set(re.findall(r'\{\s*"([a-z-]+)",\s*PROBLEM_LIFTABLE', code)) | {"no-reset"}
    held = re.search(r"hold_checks\[\] = \{([^}]*)\}", code)
    checks |= set(re.findall(r'"([a-z-]+)"', held[1]))
    lifts = dict(re.findall(r"^([a-z-]+) +(no|partly|yes)  ", output([usher, "check", "--list"]),
                            re.MULTILINE))
    told = set(lifts)
    paged = set(re.findall(r"^\|  \*([a-z-]+)\*$", (docs / "man/usher-bind.1.scd").read_text(),
                           re.MULTILINE))
    if told != paged or not checks <= told or len(checks) < 20:
        yield f"checks by name: {checks - told} {told ^ paged} are not told of alike"
    liftable |= set(re.findall(r'"([a-z-]+)"', held[1]))
    wrong = {name for name in told if (lifts[name] != "no") != (name in liftable)}
    if wrong:
        yield f"whether --allow skips these is told wrongly: {wrong}"
    faults = set(re.findall(r'\[USHER_FAULT_\w+\] = "(\w+)"', code)) - {"none"}
    for fault in sorted(faults):
        if f"*{fault}*" not in (docs / "man/usher_model.3.scd").read_text():
            yield f"usher_model(3) does not tell of fault={fault}"
    if len(names) < 6 or len(faults) < 6:
        yield f"the code is read wrongly: {names} {faults}"


def guest_file_faults(docs):
    """usher-guest(5) tells of each option's place in guest files."""
    rows = re.findall(r'\{"([a-z-]+)", PLACE_(\w+)', (docs.parent / "src/cli/place.c").read_text())
    page = (docs / "man/usher-guest.5.scd").read_text()
    forms = {"KEY": "*{}*", "KEYS": "*{}*", "SECTION": "*[{}]*", "NOWHERE": "*--{}*"}
    for name, kind in rows:
        if forms[kind].format(name) not in page:
            yield f"usher-guest(5) does not tell of {name}"
    if len(rows) < 30:
        yield f"src/cli/place.c is read wrongly: {rows}"


def faults_of(verb, text, page, listed):
    if not re.search(rf"[Ee]xamples?:(?:.*\n)*?.*{verb}", text):
        yield "its help has no example"
    yield from form_faults(verb, text)
    if not page.exists():
        yield f"there is no {page.name}"
        return
    if f"'{page.stem}'" not in listed:
        yield f"{page.name} is not in docs/meson.build"
    source = page.read_text()
    if "# EXAMPLE" not in source:
        yield f"{page.name} has no example"
    told = {option for pair in OPTION.findall(text) for option in pair if option}
    terms = "\n".join(TERM.findall(source))
    paged = set(re.findall(r"\*(--[a-z-]+)\*", terms))
    for option in sorted(told - paged):
        yield f"{page.name} does not tell of {option}"
    for option in sorted(paged - told):
        yield f"its help does not tell of {option}, {page.name} does"


def parser_faults(usher, verb, text):
    """Each option of the help is one. The second wrong word ends the verb before it does a thing."""
    wrong = "--no-such-option"
    for option in sorted({option for pair in OPTION.findall(text) for option in pair if option}):
        said = subprocess.run([usher, verb, option, wrong, wrong], capture_output=True, text=True,
                              check=False, stdin=subprocess.DEVNULL, timeout=60)
        if f"unknown option '{option}'" in said.stderr:
            yield f"it does not know {option}, which its help has"


def main():
    usher, docs = sys.argv[1], pathlib.Path(sys.argv[2])
    listed = (docs / "meson.build").read_text()
    verbs = re.findall(r"^  ([a-z][a-z-]*) +[A-Za-z]", output([usher, "help"]), re.MULTILINE)
    verbs.append("help")
    faults = []
    for verb in dict.fromkeys(verbs):
        text = output([usher, verb, "--help"])
        page = docs / "man" / f"usher-{verb}.1.scd"
        faults += [f"{verb}: {fault}" for fault in faults_of(verb, text, page, listed)]
        faults += [f"{verb}: {fault}" for fault in parser_faults(usher, verb, text)]
    faults += code_faults(usher, docs)
    faults += guest_file_faults(docs)
    print("\n".join(faults) if faults else f"{len(verbs)} verbs have their help and their page")
    return 1 if faults or len(verbs) < len(READERS) else 0


if __name__ == "__main__":
    sys.exit(main())
