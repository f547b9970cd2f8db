#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A static function has two words or more, one of them the object that it works on.

A backtrace, perf and grep show nothing but the name: `journal_write` says what `put` does not.
"""
import sys

from source import Tree, folder_of, functions, verdict

NO_OBJECT = {"do", "it", "one", "impl", "all"}
SHARE_MAX = 0.02  # of the static functions of a folder
LEFT = ("src/base", "src/engine", "src/vmm")


def is_bare(name):
    return len([word for word in name.split("_") if word and word not in NO_OBJECT]) < 2


def faults_of(tree, *folders):
    """Folders with few bare names among many functions are left alone."""
    total, bare = {}, {}
    for name in tree.code(*folders or ("src",)):
        for function in functions(tree.text(name)):
            if function.static:
                folder = folder_of(name)
                total[folder] = total.get(folder, 0) + 1
                if is_bare(function.name):
                    bare.setdefault(folder, []).append((name, function))
    for folder, found in sorted(bare.items()):
        if len(found) > SHARE_MAX * total[folder]:
            for name, function in found:
                yield f"{name}:{function.first}: {function.name}() does not say what it works on"


def main():
    return verdict(faults_of(Tree(sys.argv[1])), "functions have names with an object", LEFT)


if __name__ == "__main__":
    sys.exit(main())
