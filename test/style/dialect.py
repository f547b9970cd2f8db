#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""One way to write what can be written in several: lines of at most 100 columns, comparisons with
strcmp(), early returns, the printf() macros of inttypes.h, and sentences for the bus."""
import re
import sys

from source import Tree, bare, verdict

COLUMNS_MAX = 100  # a tab is 8
RUNG = re.compile(r"(\t+)(?:\} else )?if \((\w+) == 0(?: |\))")


def long_lines(tree):
    for name in tree.code():
        for number, line in enumerate(tree.text(name).split("\n"), 1):
            columns = len(line.expandtabs(8))
            if columns > COLUMNS_MAX:
                yield f"{name}:{number}: {columns} columns, {COLUMNS_MAX} at most"


def matching_lines(tree, pattern):
    """The place of each line of code that has @pattern, and the match."""
    for name in tree.code():
        for number, line in enumerate(bare(tree.text(name)).split("\n"), 1):
            match = re.search(pattern, line)
            if match:
                yield f"{name}:{number}", match


def bare_compares(tree):
    for place, call in matching_lines(tree, r"!((?:str|mem)n?(?:case)?cmp)\("):
        yield f"{place}: !{call.group(1)}(…): write {call.group(1)}(…) == 0"


def wide_casts(tree):
    for place, cast in matching_lines(tree, r"\((?:unsigned )?long long(?: int)?\)"):
        yield f"{place}: cast to {cast.group(0)}: use PRIu64 or PRIx64 (inttypes.h)"


def raw_errors(tree):
    """Sentences for the bus that may have half a character."""
    for place, call in matching_lines(tree, r"sd_bus_(?:error_setf|reply_method_errorf)\("):
        if place.startswith("src/daemon/") and not place.startswith("src/daemon/text.c:"):
            yield f"{place}: {call.group(0)}…): use text_refuse() or text_reply() (daemon/text.h)"


def statement_end(lines, at):
    """The last line of the statement that begins at line @at."""
    indent = re.match(r"\t*", lines[at]).group(0)
    end = at
    while end + 1 < len(lines):
        follow = lines[end + 1]
        deeper = follow.startswith(indent + "\t") or not follow.strip()
        if not deeper and not follow.startswith(indent + "}"):
            break
        end += 1
        if follow.startswith(indent + "}") and not follow.rstrip().endswith("{"):
            break
    return end


def ladders(tree):
    """`if (r == 0) r = …` twice or more in a row."""
    for name in tree.code():
        lines = bare(tree.text(name)).split("\n")
        at, rungs = 0, []
        while at < len(lines):
            rung = RUNG.match(lines[at])
            end = statement_end(lines, at) if rung else at
            body = "\n".join(lines[at + 1:end + 1])
            if rung and re.search(rf"\b{rung.group(2)} = ", body):
                rungs.append((at, rung.group(1), rung.group(2)))
                if len(rungs) == 2 and rungs[0][1:] == rungs[1][1:]:
                    yield f"{name}:{rungs[0][0] + 1}: if ({rung.group(2)} == 0) twice in a row: return early"
                elif len(rungs) > 1 and rungs[-2][1:] != rungs[-1][1:]:
                    rungs = rungs[-1:]
                at = end + 1
            else:
                rungs = []
                at += 1


RULES = (long_lines, bare_compares, wide_casts, raw_errors, ladders)


def main():
    tree = Tree(sys.argv[1])
    return max(verdict(rule(tree), f"no {rule.__name__.replace('_', ' ')}") for rule in RULES)


if __name__ == "__main__":
    sys.exit(main())
