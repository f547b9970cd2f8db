#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The link graph of src/ has no circles, neither of files nor of modules, and no program has what it
must be without.

usage: circles.py TOP BUILD

An object file points at each object file that defines a symbol which it uses; nm(1) knows both. Files
in a circle cannot be understood, tested or replaced one by one.
"""
import collections
import json
import pathlib
import subprocess
import sys

from layers import LAYERS

# Circles that stay, with the reason for each. At most eight; one that is gone has to leave the list.
EXCEPTIONS = {}
EXCEPTIONS_MAX = 8
# A program, a file that it must not link, and why.
APART = (("src/vmm/main.c", "src/host/live.c", "usher-vmm opens no path of the host"),)
# Folders whose circles are being opened: shown, no failure.
OPEN = ("src/cli", "src/lib", "src/model")


def objects_of(top, build):
    """{source below src/: its object file}, as far as it is built."""
    commands = json.loads((build / "compile_commands.json").read_text())
    found = {}
    for command in commands:
        source = (pathlib.Path(command["directory"]) / command["file"]).resolve()
        made = build / command["output"]
        if (top / "src") in source.parents and made.exists():
            found.setdefault(str(source.relative_to(top)), made)
    return found


def symbols_of(objects):
    """({symbol: the source that defines it}, {source: the symbols that it uses}).

    A symbol that several define, for different programs, is the lowest layer's.
    """
    layers = list(LAYERS)
    by_object = {str(made): source for source, made in objects.items()}
    out = subprocess.run(["nm", "-A", "-g", "-P", *by_object], capture_output=True, text=True,
                         check=True).stdout
    defined, used = {}, collections.defaultdict(set)
    for line in out.splitlines():
        made, rest = line.rsplit(": ", 1)
        symbol, kind = rest.split()[:2]
        source = by_object[made]
        if kind == "U":
            used[source].add(symbol)
        elif not symbol.startswith("__"):
            others = [defined[symbol]] if symbol in defined else []
            defined[symbol] = min([source, *others], key=lambda s: layers.index(s.split("/")[1]))
    return defined, used


def graph_of(top, build):
    """{source: {source: a symbol that ties it to that one}}."""
    defined, used = symbols_of(objects_of(top, build))
    graph = {source: {} for source in defined.values()}
    for source, symbols in used.items():
        for symbol in sorted(symbols):
            target = defined.get(symbol)
            if target and target != source:
                graph.setdefault(source, {}).setdefault(target, symbol)
    return graph


def modules_of(graph):
    """The same graph between the folders of src/."""
    modules = collections.defaultdict(dict)
    for source, targets in graph.items():
        here = source.split("/")[1]
        for target, symbol in targets.items():
            there = target.split("/")[1]
            if here != there:
                modules[here].setdefault(there, symbol)
    return modules


def circles_of(graph):
    """The strongly connected components of more than one node (Tarjan), as sorted lists."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for target in graph.get(node, {}):
            if target not in index:
                visit(target)
                low[node] = min(low[node], low[target])
            elif target in stack:
                low[node] = min(low[node], index[target])
        if low[node] == index[node]:
            at = stack.index(node)
            if len(stack) - at > 1:
                found.append(sorted(stack[at:]))
            del stack[at:]

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return sorted(found)


def shown(graph, circle):
    """Each arrow inside @circle with the symbol that makes it."""
    return [f"  {source} -> {target}: {symbol}" for source in circle
            for target, symbol in sorted(graph[source].items()) if target in circle]


def way(graph, start, end):
    """The shortest way from a file to another one: [start, …, end], or [] if there is none."""
    before, todo = {start: None}, collections.deque([start])
    while todo and end not in before:
        node = todo.popleft()
        for target in sorted(set(graph.get(node, {})) - set(before)):
            before[target] = node
            todo.append(target)
    found = [end] if end in before else []
    while found and found[0] != start:
        found.insert(0, before[found[0]])
    return found


def apart_faults(graph):
    for program, file, reason in APART:
        if found := way(graph, program, file):
            steps = [f"  {a} -> {b}: {graph[a][b]}" for a, b in zip(found, found[1:])]
            yield "\n".join([f"{program}: links {file}, but {reason}", *steps])


def faults_of(graph, exceptions=EXCEPTIONS):
    yield from apart_faults(graph)
    left = dict(exceptions)
    for circle in circles_of(graph):
        if left.pop(" ".join(circle), None) is None:
            yield "\n".join([f"{circle[0]}: in a circle of {len(circle)} files", *shown(graph, circle)])
    for names in left:
        yield f"test/style/circles.py: no such circle (any more): {names}"
    if len(exceptions) > EXCEPTIONS_MAX:
        yield f"test/style/circles.py: {len(exceptions)} exceptions, {EXCEPTIONS_MAX} at most"
    modules = modules_of(graph)
    for circle in circles_of(modules):
        yield "\n".join([f"modules in a circle: {' '.join(circle)}", *shown(modules, circle)])


def main():
    top, build = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
    graph = graph_of(top, build)
    faults = list(faults_of(graph))
    print("\n".join(faults) if faults else
          f"{len(graph)} object files, no circle but {len(EXCEPTIONS)} exceptions")
    return 1 if faults or not graph else 0


if __name__ == "__main__":
    sys.exit(main())
