#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""One cause, one exit status: each verb meets each cause that it can meet, and ends as the table of
usher(1) says. causes.py USHER FIXTURES
"""
import pathlib
import subprocess
import sys

# How a verb is asked of one device on a snapshot, so that it changes nothing.
FORMS = {
    "list": ["list", "{device}"],
    "show": ["show", "{device}"],
    "check": ["check", "{device}"],
    "prove": ["prove", "--dry-run", "{device}"],
    "bind": ["bind", "--dry-run", "{device}"],
    "release": ["release", "--dry-run", "{device}"],
    "restore": ["restore", "--dry-run", "{device}"],
    "xml": ["xml", "{device}"],
    "vfs": ["vfs", "--dry-run", "{device}"],
    "rom": ["rom", "{device}"],
    "revive": ["revive", "--dry-run", "{device}"],
    "claim": ["claim", "--dry-run", "{device}"],
    "run": ["run", "--plan", "--device", "{device}", "--engine=qemu"],
    "exec": ["exec", "--plan", "--device", "{device}"],
}
TAIL = {"exec": ["--", "true"], "run": ["--", "-nodefaults"]}
ACT = {"prove", "bind", "release", "restore", "vfs", "claim", "run", "exec", "revive"}
ALLOW = {"bind", "release", "claim", "run", "exec", "revive"}
ROOT = ["bind", "release", "restore", "vfs", "claim", "exec", "prove", "revive", "rom"]
FAILED = {"run": 125, "exec": 125}  # instead of 1, as env(1)

# Causes that depend on the device, on the fixture names.host.
DEVICES = {
    "absent address": "09:00.0",
    "absent slot": "09:00",
    "absent ids": "dead:beef",
    "absent name": "eth9",
    "absent node": "/dev/nvme9n1",
    "absent path": "/sys/bus/pci/devices/0000:09:00.0",
    "not PCI": "lo",
}
MALFORMED = ["", ":", "1:0.9", "1:2:3:4", "52:54:00:12:34:56"]
SEVERAL = ["md0", "bond0", "1234:0003", "/dev/vfio/7", "my-vg/root"]


def words_of(verb, device, host, *more):
    form = [word.format(device=device) for word in FORMS[verb]]
    return [*form, *more, "--host", host, *TAIL.get(verb, [])]


def status_of(usher, words, **how):
    done = subprocess.run([usher, *words], stdin=subprocess.DEVNULL, text=True, check=False,
                          stderr=subprocess.PIPE, **{"stdout": subprocess.DEVNULL, **how})
    return done.returncode, done.stderr


def cases(fixtures):
    """(what, words, expected status)"""
    names, server, desktop = (fixtures / f"{name}.host" for name in ("names", "server", "desktop"))
    for verb in FORMS:
        for what, device in DEVICES.items():
            if verb == "revive" and device == "09:00.0":
                continue  # to revive it is what the verb is for
            yield f"{verb}: {what}", words_of(verb, device, names), FAILED.get(verb, 1)
        for device in MALFORMED:
            yield f"{verb}: '{device}'", words_of(verb, device, names), 2
        yield f"{verb}: unknown option", [verb, "--frobnicate"], 2
        yield f"{verb}: no such host", words_of(verb, "01:00.0", "/nowhere.host"), 2
        yield f"{verb}: no host", words_of(verb, "01:00.0", "/dev/null"), 2
    for verb in ACT:
        for device in SEVERAL:
            yield f"{verb}: {device} is several", words_of(verb, device, names), 2
        yield f"{verb}: USB", words_of(verb, "sdb", names), 2
        form = words_of(verb, "01:00.0", names)
        if verb != "vfs":
            form = [word for word in form if word not in ("--dry-run", "--plan")]
            yield f"{verb}: a change of a snapshot", form, 2
    yield "vfs: a change of a snapshot", ["vfs", "01:00.0", "1", "--host", names], 2
    for verb in ALLOW:
        yield f"{verb}: unknown check", words_of(verb, "01:00.0", names, "--allow", "blok"), 2
        # A claim is for the next boot, so only what the host needs refuses it.
        device, host = ("02:00.0", desktop) if verb == "claim" else ("c3:00.0", server)
        if verb == "revive":  # it answers, so nobody is disturbed
            continue
        yield f"{verb}: in use", words_of(verb, device, host), 3
    yield "prove: in use", words_of("prove", "c3:00.0", server), 3
    yield "check: in use", words_of("check", "c3:00.0", server), 3
    yield "revive: neighbours in use", words_of("revive", "08:00.5", fixtures / "revive.host", "--id", "1234:5678"), 0
    yield "revive: no port", words_of("revive", "09:00.0", names), 3
    for port, status in (("eth9", 1), (":", 2), ("md0", 2), ("1:0.9", 2)):
        yield f"revive --port {port}", words_of("revive", "09:00.0", names, "--port", port), status
    for word, status in (("nonsense", 1), (":", 2), ("0000:77:00.0", 1)):
        yield f"unclaim: '{word}'", ["unclaim", word], status
    for verb in ("claims", "apply", "unclaim", "snapshot", "help"):
        yield f"{verb}: unknown option", [verb, "--frobnicate"], 2
    yield "claims: no host", ["claims", "--host", "/dev/null"], 2
    yield "apply: no host", ["apply", "--dry-run", "--host", "/dev/null"], 2
    yield "apply: a change of a snapshot", ["apply", "--host", names], 2
    yield "help: no host", ["help", "group", "--host", "/dev/null"], 2
    yield "snapshot: no host", ["snapshot", "--host", "/dev/null", "-"], 2
    yield "unknown verb", ["frobnicate"], 2
    yield "run --json alone", ["run", "--json", "--kernel", "/dev/null"], 2
    yield "two forms", ["list", "--json", "--dot"], 2


def main():
    usher, fixtures = sys.argv[1], pathlib.Path(sys.argv[2])
    faults, count = [], 0
    for what, words, expected in cases(fixtures):
        status, told = status_of(usher, words)
        count += 1
        if status != expected:
            faults.append(f"{what}: status {status}, not {expected}: {told}")
        elif not told and not what.startswith("check: in use"):  # the report says it
            faults.append(f"{what}: says nothing")
    full = pathlib.Path("/dev/full")
    if full.is_char_device():
        with full.open("w") as out:
            for verb in ("list", "show", "check", "bind", "prove", "claim", "run", "exec"):
                words = words_of(verb, "01:00.0", fixtures / "names.host")
                status, told = status_of(usher, words, stdout=out)
                count += 1
                if status != FAILED.get(verb, 1) or "write" not in told:
                    faults.append(f"{verb}: standard output full: {status}: {told}")
    print("\n".join(faults) if faults else f"{count} causes have their status")
    return 1 if faults or count < 200 else 0


if __name__ == "__main__":
    sys.exit(main())
