# SPDX-License-Identifier: MIT
"""What the style rules share: the files of the tree, C without comments and strings, functions, and
the verdict of a rule."""
import collections
import pathlib
import re
import subprocess

QUOTED = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)
Function = collections.namedtuple("Function", "name first last static")


class Tree:
    """The files of a checkout that git has or would take, by their name below its top."""

    def __init__(self, top):
        self.top = pathlib.Path(top).resolve()
        out = subprocess.run(["git", "-C", self.top, "ls-files", "-co", "--exclude-standard"],
                             capture_output=True, text=True, check=True).stdout
        self.names = [name for name in out.splitlines() if (self.top / name).is_file()]

    def text(self, name):
        return (self.top / name).read_text(errors="replace")

    def code(self, *folders):
        """Names of the C files, of these folders if any are given."""
        return [name for name in self.names if name.endswith((".c", ".h"))
                and (not folders or name.startswith(tuple(f + "/" for f in folders)))]


def bare(text):
    """C text with blanks for comments and for what stands in quotes; lines and columns stay."""
    def blank(match):
        token = match.group(0)
        kept = token[0] if token[0] in "\"'" else ""
        inner = token[len(kept):len(token) - len(kept)]
        return kept + re.sub(r"[^\n\t]", " ", inner) + kept
    return QUOTED.sub(blank, text)


def function_name(signature):
    """The identifier before the last parentheses that are not an attribute's; None for a table."""
    signature = signature.rstrip()
    while signature.endswith(")"):
        depth, at = 0, len(signature)
        while at > 0:
            at -= 1
            depth += {")": 1, "(": -1}.get(signature[at], 0)
            if depth == 0:
                break
        signature, name = signature[:at], re.search(r"(\w+)\s*$", signature[:at])
        if name and name.group(1) != "__attribute__":
            return name.group(1)
        signature = signature[:name.start()].rstrip() if name else ""
    return None


def functions(text):
    """Each function that is defined in @text; lines count from 1, the signature's included."""
    lines = bare(text).split("\n")
    for at, line in enumerate(lines):
        if line != "{":
            continue
        first = at
        while first > 0 and lines[first - 1].strip() and not re.match(r"[#}]|.*;\s*$", lines[first - 1]):
            first -= 1
        last = next((i for i in range(at, len(lines)) if lines[i].startswith("}")), at)
        signature = "\n".join(lines[first:at])
        name = function_name(signature)
        if name:
            yield Function(name, first + 1, last + 1, bool(re.search(r"\bstatic\b", signature)))


def verdict(faults, passed):
    """Prints @faults ("name:line: message"), or @passed if there are none. Return: 1 or 0."""
    faults = list(faults)
    print("\n".join(faults) if faults else passed)
    return 1 if faults else 0
