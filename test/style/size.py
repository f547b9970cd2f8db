#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Functions are short: nine of ten have at most 25 lines, none more than 60, signature and braces
included."""
import sys

from source import Tree, functions, verdict

P90_MAX = 25
LINES_MAX = 60


def lengths_of(tree):
    """(lines, name, function), the longest first."""
    return sorted(((f.last - f.first + 1, name, f) for name in tree.code("src")
                   for f in functions(tree.text(name))), key=lambda row: row[0], reverse=True)


def p90(lengths):
    return lengths[len(lengths) // 10][0]


def faults_of(tree):
    lengths = lengths_of(tree)
    if p90(lengths) > P90_MAX:
        yield f"src/: one of ten functions has more than {P90_MAX} lines: {p90(lengths)}"
    for lines, name, function in lengths:
        if lines > LINES_MAX:
            yield f"{name}:{function.first}: {function.name}() has {lines} lines, {LINES_MAX} at most"


def main():
    tree = Tree(sys.argv[1])
    lengths = lengths_of(tree)
    return verdict(faults_of(tree), f"{len(lengths)} functions: p90 {p90(lengths)} lines, "
                   f"longest {lengths[0][0]}")


if __name__ == "__main__":
    sys.exit(main())
