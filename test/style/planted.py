#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each style rule refuses a file with a fault of its kind, at the line of the fault, and accepts the
same file without it."""
import contextlib
import io
import json
import pathlib
import subprocess
import sys
import tempfile

import circles
import dialect
import includes
import layers
import names
import references
import rules
import size
import source

LONG = "int long_one(void)\n{\n" + "\tnext_step();\n" * 58 + "}\n"
SHORT = "int short_one(void)\n{\n" + "\tnext_step();\n" * 22 + "}\n\n"
WALK = "# The walk\n" + "`src/bind/a.c:plan_make`\n" * 10
PASS_ROWS = "".join(f"| {n} | x |\n" for n in [*range(1, 46), *(f"k{n}" for n in range(1, 9))])
PLAN = {"src/bind/a.c": "int plan_make(void)\n{\n}\n"}


def circles_in(tree, exceptions=()):
    """The circles in what the C compiler makes of @tree."""
    commands = []
    for name in tree.code():
        made = name + ".o"
        subprocess.run(["cc", "-c", "-o", made, name], cwd=tree.top, check=True)
        commands.append({"directory": str(tree.top), "file": name, "output": made})
    (tree.top / "compile_commands.json").write_text(json.dumps(commands))
    return circles.faults_of(circles.graph_of(tree.top, tree.top), dict(exceptions))


def excepted_circles(tree):
    return circles_in(tree, {"src/bind/a.c src/bind/b.c": "planted"})


# (the rule, the file with the fault, its text, what the rule says of it; the same text mended, other files)
PLANTED = [
    (names.faults_of, "src/bind/a.c", "static int put(int a)\n{\n}\n",
     "src/bind/a.c:1: put() ", "static int entry_put(int a)\n{\n}\n", {}),
    (names.faults_of, "src/bind/a.h",
     "\n/* x(); */\nstatic inline __attribute__((format(printf, 1, 2))) void *\n"
     "do_it(int a,\n\tint b)\n{\n}\n",
     "src/bind/a.h:3: do_it() ", "static struct err fault_of(void);\n\nint put(void)\n{\n}\n", {}),
    (size.faults_of, "src/bind/a.c", SHORT * 20 + LONG,
     "src/bind/a.c:521: long_one() has 61 lines", SHORT * 20 + LONG.replace("\tnext_step();\n", "", 1), {}),
    (size.faults_of, "src/bind/a.c", SHORT.replace("{\n", "{\n\n") * 10 + SHORT * 80,
     "src/: one of ten functions has more than 25 lines: 26", SHORT * 90, {}),
    (dialect.long_lines, "test/a.h", "int a;\n\t/* " + "x" * 87 + " */\n",
     "test/a.h:2: 101 columns", "\t/* " + "x" * 86 + " */\n", {}),
    (dialect.raw_errors, "src/daemon/a.c", "int a(void)\n{\n\treturn sd_bus_error_setf(e, n, w);\n}\n",
     "src/daemon/a.c:3: sd_bus_error_setf(", "int a(void)\n{\n\treturn text_refuse(e, n, w);\n}\n", {}),
    (dialect.bare_compares, "src/bind/a.c", "int a(void)\n{\n\treturn 1 || !strcmp(x, y);\n}\n",
     "src/bind/a.c:3: !strcmp(", "/* !strcmp(x, y) */\nint a = strcmp(x, \"!strcmp(\") == 0;\n", {}),
    (dialect.wide_casts, "src/bind/a.c", 'void a(void)\n{\n\tp("%llu",\n\t\t(unsigned long long)x);\n}\n',
     "src/bind/a.c:4: cast to ", 'long long a;\nvoid f(unsigned long long b);\n', {}),
    (dialect.ladders, "src/bind/a.c",
     "\tif (r == 0)\n\t\tr = a(1,\n\t\t\t2);\n\tif (r == 0 && more) {\n\t\tx();\n\t\tr = b();\n\t}\n",
     "src/bind/a.c:1: if (r == 0) ", "\tif (r == 0)\n\t\tr = a();\n\tif (r == 0)\n\t\tx();\n\tif (r < 0)\n\t\treturn r;\n",
     {}),
    (references.faults_of, "ARCHITECTURE.md", WALK + "`src/bind/a.c:plan_take`\n",
     "ARCHITECTURE.md:12: `src/bind/a.c` has no plan_take()", WALK, PLAN),
    (references.faults_of, "docs/a.md", "`src/bind/b.c` and\n`test/b/`\n",
     "docs/a.md:2: `test/b/` is not there", "`src/bind/`, `test/unit/NOUN.c`\n", {"src/bind/b.c": ""}),
    (references.faults_of, "ARCHITECTURE.md", "`src/bind/a.c:plan_make`\n", "ARCHITECTURE.md:1: the walk has 1 ",
     WALK, PLAN),
    (includes.faults_of, "src/bind/a.c", '#include <stdio.h>\n\n#include "bind/a.h"\n',
     "src/bind/a.c:1: include out of order", '#include "bind/a.h"\n\n#include <stdio.h>\n', {}),
    (includes.faults_of, "src/bind/a.c", '/* x */\n#include "base/b.h"\n#include "base/a.h"\n',
     "src/bind/a.c:2: include out of order", '#include "base/a.h"\n#include "base/b.h"\n\n#ifdef A\n#include "a.h"\n#endif\n', {}),
    (layers.faults_of, "src/base/a.c", 'int a;\n#include "bind/a.h"\n', 'src/base/a.c:2: base must not know "bind/a.h"',
     "int a;\n", {"src/bind/a.h": ""}),
    (layers.table_faults, "ARCHITECTURE.md", "| `base/` | x |\n| `daemon/` | y |\n",
     "ARCHITECTURE.md:1: the table of layers has a row of daemon/,", "| `base/` | x |\n",
     {"src/base/a.c": ""}),
    (layers.table_faults, "ARCHITECTURE.md", "| `base/` | x |\n",
     "ARCHITECTURE.md:1: the table of layers has no row of src/host/", "| `host/` | x |\n| `base/` | |\n",
     {"src/base/a.c": "", "src/host/a.c": ""}),
    (circles_in, "src/bind/a.c", "int a(void); int b(void); int a(void) { return b(); }",
     "src/bind/a.c: in a circle of 2 files\n  src/bind/a.c -> src/bind/b.c: b\n  src/bind/b.c -> src/bind/a.c: a",
     "int a(void); int a(void) { return 1; }",
     {"src/bind/b.c": "int a(void); int b(void); int b(void) { return a(); }"}),
    (circles_in, "src/bind/a.c", "int a(void); int b(void); int a(void) { return b(); }",
     "modules in a circle: base bind", "int a(void); int a(void) { return 1; }",
     {"src/base/b.c": "int c(void); int b(void); int b(void) { return 1; }",
      "src/base/c.c": "int a(void); int c(void); int c(void) { return a(); }"}),
    (circles_in, "src/vmm/main.c", "int a(void); int main(void); int main(void) { return a(); }",
     "src/vmm/main.c: links src/host/live.c, but usher-vmm opens no path of the host\n"
     "  src/vmm/main.c -> src/vfio/a.c: a\n  src/vfio/a.c -> src/host/live.c: b",
     "int main(void); int main(void) { return 1; }",
     {"src/vfio/a.c": "int a(void); int b(void); int a(void) { return b(); }",
      "src/host/live.c": "int b(void); int b(void) { return 1; }"}),
    (excepted_circles, "src/bind/a.c", "int a(void); int a(void) { return 1; }",
     "test/style/circles.py: no such circle (any more): src/bind/a.c src/bind/b.c",
     "int a(void); int b(void); int a(void) { return b(); }",
     {"src/bind/b.c": "int a(void); int b(void); int b(void) { return a(); }"}),
    (rules.vague_names, "src/bind/bind_util.c", "", "src/bind/bind_util.c:1: the name says nothing",
     None, {}),
    (rules.vague_names, "src/common/a.c", "", "src/common/a.c:1: the name says nothing", None, {}),
    (rules.long_files, "lab/a.py", "#\n" * 601, "lab/a.py:601: 601 lines", "#\n" * 600, {}),
    (rules.missing_licences, "lab/a.sh", "#!/bin/sh\n", "lab/a.sh:1: no SPDX line",
     "#!/bin/sh\n# SPDX-License-Identifier: MIT\n", {}),
    (rules.work_left, "test/a.c", "/* x\n * TO" "DO: y */\n", "test/a.c:2: work left", "/* x\n * y */\n", {}),
    (rules.pass_rows, "docs/pass.md", PASS_ROWS.replace("| 7 |", "| 70 |"),
     "docs/pass.md:1: rows ['7', '70'] ", PASS_ROWS, {}),
    (rules.shown_examples, "examples/a.c", "/* M */\n/* a */\nint a;\n", "README.md:1: does not show examples/a.c",
     "/* M */\n/* a */\nint b;\n", {"README.md": "int b;\n"}),
    (rules.shown_examples, "examples/a.c", "/* M */\n/* a */\n" + "\n" * 58, "examples/a.c:60: 60 lines or more",
     "/* M */\n/* a */\n\n", {"README.md": "\n" * 60}),
    (rules.manual_pages, "include/usher/a.h", "\nint usher_b(void);\n", "include/usher/a.h:2: no page of docs/man has usher_b()",
     "int usher_c(void);\n", {"docs/man/usher_a.3.scd": "usher_bb usher_c"}),
]


def write_tree(top, files):
    for name, text in files.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    subprocess.run(["git", "init", "-q", top], check=True)


def said(rule, files):
    """What @rule says of a tree of these files."""
    with tempfile.TemporaryDirectory() as top:
        write_tree(pathlib.Path(top), files)
        return list(rule(source.Tree(top)))


def holds(rule, name, text, message, mended, others):
    told = said(rule, {**others, name: text})
    if not any(fault.startswith(message) for fault in told):
        return f"{rule.__module__}.{rule.__name__} does not say '{message}…' of\n{text[:300]}\nbut {told}"
    told = said(rule, {**others, name: mended}) if mended is not None else []
    return f"{rule.__module__}.{rule.__name__} says {told} of\n{mended[:300]}" if told else None


def main():
    wrong = [fault for fault in (holds(*row) for row in PLANTED) if fault]
    with contextlib.redirect_stdout(io.StringIO()):
        if [source.verdict(faults, "") for faults in (["src/a.c:1: x"], [])] != [1, 0]:
            wrong.append("source.verdict() does not fail for a fault")
    print("\n".join(wrong) if wrong else f"{len(PLANTED)} planted faults are found")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
