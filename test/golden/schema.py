#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every JSON document of usher is as docs/usher.schema.json says, and usher-json(7) has every key.

    schema.py USHER FIXTURES DOCS GOLDEN…   the golden texts, and documents of every host here
    schema.py --document SCHEMA FILE…       documents that a verb has printed, as in a live test

A new key, a new verb with --json or a new word fails until it is in both.
"""
import json
import os
import pathlib
import re
import subprocess
import sys

try:
    import jsonschema
except ImportError:
    # ./dev installs python3-jsonschema, for the distribution's own Python.
    if sys.executable == "/usr/bin/python3" or "SCHEMA_AGAIN" in os.environ:
        sys.exit("schema.py needs jsonschema: apt-get install python3-jsonschema")
    os.environ["SCHEMA_AGAIN"] = "1"
    os.execv("/usr/bin/python3", ["/usr/bin/python3", *sys.argv])

LIMIT = 5  # faults of one document that are shown
TEXTS = 30  # documents that there are at least; else the search for them is broken


class Checker:
    def __init__(self, path):
        self.schema = json.loads(path.read_text())
        self.verbs = {name[4:] for name in self.schema["$defs"] if name.startswith("doc_")}
        self.seen = set()
        self.count = 0

    def faults(self, text, what):
        """What is wrong with a document: each line begins with the place in it."""
        self.count += 1
        hidden = re.search("[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]", text)
        if hidden:
            yield f"{what}: U+{ord(hidden.group()):04X} is in it as it is"
        try:
            document = json.loads(text)
        except ValueError as error:
            yield f"{what}: is no JSON: {error}"
            return
        verb = document.get("verb")
        self.seen.add(verb)
        if verb not in self.verbs:
            yield f"{what}: docs/usher.schema.json has no doc_{verb}"
            return
        own = {**self.schema, "$ref": f"#/$defs/doc_{verb}"}
        del own["oneOf"]
        errors = list(jsonschema.Draft202012Validator(own).iter_errors(document))
        for error in errors[:LIMIT]:
            where = ".".join(map(str, error.absolute_path)) or "the document"
            yield f"{what}: {where}: {error.message[:300]}"


def golden_texts(paths):
    """(name, document) of each golden text that a verb printed with --json."""
    for path in paths:
        text = path.read_text()
        if re.match(r"\$ usher [^\n]*--json", text):
            body = re.search(r"^\{\n.*?^\}\n", text, re.MULTILINE | re.DOTALL)
            if body:
                yield path.name, body.group()


def output(words):
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout


def real_texts(usher, fixtures):
    """(name, document) of each verb, on each host."""
    for path in sorted(fixtures.glob("*.host")):
        at = ["--host", path]
        listing = output([usher, "list", "-l", "-n", "-o", "address", *at]).split()[1:]
        functions = [[word] for word in listing[:40]]
        yield from ((words, output([usher, *words, "--json", *at])) for words in (
            ["list"], ["list", "-n"], ["show", *listing], ["show", "-n", *listing[:1]], ["check"],
            ["check", *listing[:3]], ["claims"]))
        for words in functions[:6]:
            for verb in (["prove", "--dry-run"], ["bind", "--dry-run"], ["vfs", "--dry-run"], ["xml"]):
                yield [*verb, *words], output([usher, *verb, *words, "--json", *at])


def objects(schema):
    """(place, object) of each object that the schema describes."""
    if isinstance(schema, dict):
        if "properties" in schema:
            yield schema
        for value in schema.values():
            yield from objects(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from objects(value)


def loose(checker):
    """Objects of the schema that allow what is not written down."""
    for found in objects(checker.schema["$defs"]):
        keys = sorted(found["properties"])
        if found.get("additionalProperties") is not False:
            yield f"the schema allows more keys than {keys}"
        if sorted(found.get("required", [])) != keys:
            yield f"the schema does not require all of {keys}: what is absent is null"


def page_faults(checker, usher, docs):
    """What usher-json(7) and the helps do not tell."""
    page = (docs / "man/usher-json.7.scd").read_text()
    terms = set(re.findall(r"^\*(?:[a-z0-9_]+\.)?([a-z0-9_]+)\*$", page, re.MULTILINE))
    terms |= set(re.findall(r"\*([a-z0-9_]+)\*", page))
    for found in objects(checker.schema["$defs"]):
        for key in found["properties"]:
            if key not in terms:
                yield f"usher-json(7) does not tell of '{key}'"
    helped = re.findall(r"^  ([a-z][a-z-]*) +[A-Za-z]", output([usher, "help"]), re.MULTILINE)
    with_json = {verb for verb in helped if "--json" in output([usher, verb, "--help"])}
    for verb in sorted(with_json ^ checker.verbs):
        yield f"'{verb}' has --json in its help, or doc_{verb} in the schema, but not both"
    for verb in sorted(checker.verbs):
        if not re.search(rf"^## {verb}$", page, re.MULTILINE):
            yield f"usher-json(7) has no section '## {verb}'"


def document_main(schema, paths):
    checker = Checker(pathlib.Path(schema))
    faults = [fault for path in paths
              for fault in checker.faults(pathlib.Path(path).read_text(), path)]
    print("\n".join(faults))
    return 1 if faults else 0


def main():
    if sys.argv[1] == "--document":
        return document_main(sys.argv[2], sys.argv[3:])
    usher, fixtures, docs = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    checker = Checker(docs / "usher.schema.json")
    # Not for --document: it would double the time in the emulated host.
    jsonschema.Draft202012Validator.check_schema(checker.schema)
    faults = [*loose(checker), *page_faults(checker, usher, docs)]
    folder = pathlib.Path(__file__).parent
    for name, text in golden_texts(sorted([*folder.glob("*.txt"), *folder.glob("host/*.txt")])):
        faults += checker.faults(text, name)
    for words, text in real_texts(usher, fixtures):
        if text:
            faults += checker.faults(text, " ".join(map(str, words[:4])))
    if checker.count < TEXTS:
        faults.append(f"only {checker.count} documents were found")
    print("\n".join(dict.fromkeys(faults)) if faults else f"{checker.count} documents are as told: "
          f"{', '.join(sorted(checker.seen))}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
