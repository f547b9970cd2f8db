#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every line that usher-control(7) shows is as docs/usher-control.schema.json says, the page tells of
every key and word of the schema, and the code of every word. control.py DOCS
"""
import json
import os
import pathlib
import re
import sys

try:
    import jsonschema
except ImportError:
    # ./dev installs python3-jsonschema, for the distribution's own Python.
    if sys.executable == "/usr/bin/python3" or "SCHEMA_AGAIN" in os.environ:
        sys.exit("control.py needs jsonschema: apt-get install python3-jsonschema")
    os.environ["SCHEMA_AGAIN"] = "1"
    os.execv("/usr/bin/python3", ["/usr/bin/python3", *sys.argv])


def words(schema):
    """Each key, and each word that a key may have."""
    if isinstance(schema, dict):
        yield from schema.get("properties", {})
        yield from (word for word in schema.get("enum", []) if isinstance(word, str))
        schema = list(schema.values())
    if isinstance(schema, list):
        for value in schema:
            yield from words(value)


def faults(docs):
    schema = json.loads((docs / "usher-control.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    page = (docs / "man/usher-control.7.scd").read_text()
    lines = re.findall(r"^(\{.*\})$", page, re.MULTILINE)
    for line in lines:
        if list(validator.iter_errors(json.loads(line))):
            yield f"usher-control(7): the schema has no such line: {line}"
    told = set(re.findall(r"[a-z_]+", page))
    code = "\n".join(file.read_text() for folder in ("control", "engine", "lease")
                     for file in (docs.parent / "src" / folder).rglob("*.c"))
    for word in dict.fromkeys(words(schema["$defs"])):
        if word not in told:
            yield f"usher-control(7) does not tell of '{word}'"
        if f'"{word}"' not in code:
            yield f"the code does not know '{word}'"
    events = set(re.findall(r'(?:control_event\(c|lease_server_tell\(&k->server), "(\w+)"', code))
    for event in sorted(events ^ set(schema["$defs"]["event"]["properties"]["event"]["enum"])):
        yield f"the event '{event}' is in the code or in the schema, but not in both"
    if len(lines) < 6 or len(events) < 6:
        yield f"the page or the code is read wrongly: {len(lines)} lines, {events}"


def main():
    found = list(faults(pathlib.Path(sys.argv[1])))
    print("\n".join(found) if found else "the control protocol is as told")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
