#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A static function has two words or more, one of them the object that it works on.

A backtrace, perf and grep show nothing but the name: `journal_write` says what `put` does not.
"""
import sys

from source import Tree, functions, verdict

NO_OBJECT = {"do", "it", "one", "impl", "all"}
KEPT = {"all_ones"}  # the field's own term


def is_bare(name):
    return len([word for word in name.split("_") if word and word not in NO_OBJECT]) < 2


def faults_of(tree):
    for name in tree.code("src"):
        for function in functions(tree.text(name)):
            if function.static and function.name not in KEPT and is_bare(function.name):
                yield f"{name}:{function.first}: {function.name}() does not say what it works on"


def main():
    return verdict(faults_of(Tree(sys.argv[1])), "functions have names with an object")


if __name__ == "__main__":
    sys.exit(main())
