#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the documents name is there: each `folder/file`, and each `file:function`, in every *.md.

A function of src/ has to be defined in that file; a test has to stand in it.
"""
import re
import sys

from source import Tree, functions

FOLDERS = r"(?:src|test|lab|bench|include|docs|boot|examples)"
REFERENCE = re.compile(rf"`({FOLDERS}/[\w./-]*)(?::(\w+))?`")
PLACEHOLDER = re.compile(r"\b[A-Z]{2,}\b")
STEPS_MIN = 10  # of the walk in ARCHITECTURE.md


def has(tree, name, word):
    text = tree.text(name)
    if name.startswith("src/") and name.endswith((".c", ".h")):
        return any(function.name == word for function in functions(text))
    return re.search(rf"\b{word}\b", text) is not None


def faults_of(tree):
    for document in (name for name in tree.names if name.endswith(".md")):
        steps = 0
        for number, line in enumerate(tree.text(document).split("\n"), 1):
            for name, word in REFERENCE.findall(line):
                steps += bool(word)
                path = tree.top / name
                if PLACEHOLDER.search(name):
                    continue
                if not path.exists():
                    yield f"{document}:{number}: `{name}` is not there"
                elif word and not has(tree, name, word):
                    yield f"{document}:{number}: `{name}` has no {word}()"
        if document == "ARCHITECTURE.md" and steps < STEPS_MIN:
            yield f"{document}:1: the walk has {steps} steps of the form `src/…:function`"


def main():
    faults = list(faults_of(Tree(sys.argv[1])))
    print("\n".join(faults) if faults else "the documents name what is there")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
