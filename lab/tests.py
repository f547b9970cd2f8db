# SPDX-License-Identifier: MIT
"""Runs test/live/*.sh inside emulated hosts, in as few boots as their needs allow, and as many at a time
as the machine has room for.

Executable files are tests, which source the others. The first comment lines say what a test needs:
  # topology: desktop     lab/topology/NAME (default: minimal)
  # init: systemd         boot with systemd and its udevd; /persist/etc is in /etc from the start
  # argument: usher=off   one more argument on the kernel's command line
  # iommu: none           intel, virtio or none
  # kvm: no               a CPU without virtualisation
  # memory: 3G
  # kernel: 6.1           small: lab/small.py's, which has IOMMUFD
  # guest: small          the kernel of guests: lab/small.py's; otherwise the emulated host's own
  # program: fio          one of this machine, on a disk for guests: lab/programs.py
  # disk: debian          /dev/image is a disk with Debian 12 (lab/debian.py); the same is in the
                          file that /run/lab/image names, and beside it in images of other formats
  # timeout: 300          seconds (default: 120)
  # refused: calls        it has usher-vmm make system calls that its filter refuses
  # boot: own             a boot that no other test shares, with an empty /persist
  # boots: 2              as many boots of its own, one after the other, with one /persist; all but
                          the last may end by power-off; $USHER_LAB_BOOT counts them; topology,
                          init and argument may be lists then, such as minimal,desktop
"""
import base64
import contextlib
import dataclasses
import itertools
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import cache
import debian
import disk
import kernel
import machine
import programs
import session
import small
import workers

HERE = pathlib.Path(__file__).parent
LIVE = HERE.parent / "test" / "live"
SCHEMA = HERE.parent / "docs" / "usher.schema.json"
SCHEMA_CHECK = HERE.parent / "test" / "golden" / "schema.py"
SECONDS = 120
# These may differ in each boot of a test.
CHANGING = {"topology": "minimal", "init": "agent", "argument": "none"}


@dataclasses.dataclass
class Test:
    path: pathlib.Path
    wish: machine.Wish
    seconds: int
    boots: int
    own_boot: bool
    program: str | None
    changes: list  # of the wish, one for each boot

    @property
    def name(self):
        return self.path.stem


def pick(words, number):
    """The word for a boot; the last word is for all later boots."""
    words = words.split(",")
    return words[min(number, len(words) - 1)]


def read(path):
    head = itertools.takewhile(lambda line: line.startswith("#"), path.read_text().splitlines())
    needs = dict(re.match(r"# (\w+): (\S+)", line).groups() for line in head
                 if re.match(r"# \w+: \S+$", line))
    boots = int(needs.get("boots", 1))
    changes = [{key: pick(needs.get(key, default), number) for key, default in CHANGING.items()}
               for number in range(boots)]
    return Test(path, seconds=int(needs.get("timeout", SECONDS)), boots=boots,
                own_boot=boots > 1 or needs.get("boot") == "own", program=needs.get("program"),
                changes=changes,
                wish=machine.Wish(**changes[0],
                                  iommu=needs.get("iommu", "intel"),
                                  kvm=needs.get("kvm", "yes") != "no",
                                  memory=needs.get("memory", "2G"), kernel=needs.get("kernel"),
                                  guest=needs.get("guest", "same"),
                                  disk=needs.get("disk", "none")))


def chosen(filters):
    tests = [read(path) for path in sorted(LIVE.glob("*.sh")) if os.access(path, os.X_OK)]
    return [t for t in tests if not filters or any(word in t.name for word in filters)]


def batches(tests):
    """Groups tests with the same needs; a test with a boot of its own is alone."""
    shared = {}
    for test in tests:
        key = test.path if test.own_boot else dataclasses.astuple(test.wish)
        shared.setdefault(key, []).append(test)
    return shared.values()


class Report:
    """Reads the output of lab/runner, passes it on, and records which tests have a result.

    After a boot before the last, success is not the test's result.
    """

    def __init__(self, is_last=True):
        self.is_last = is_last
        self.text = b""
        self.running = None
        self.results = {}
        self.documents = []  # (command, text) of the test that runs

    def feed(self, data):
        self.text += data
        *lines, self.text = self.text.split(b"\n")
        for line in lines:
            self.line(line.decode(errors="replace"))

    def line(self, line):
        sent = re.match(r"document (\S*) (.*)", line)
        if sent:
            self.documents.append((sent[2], base64.b64decode(sent[1])))
            return
        result = re.match(r"(start|ok|not ok|skip) ([\w-]+)(.*)", line)
        if result and result[1] == "start":
            self.running = result[2]
            self.documents = []
            return
        if result:
            faults = document_faults(self.documents)
            word = "not ok" if faults else result[1]
            if word == "ok" and not self.is_last:
                return
            self.results[result[2]] = word
            self.running = None
            line = "\n  ".join([f"{word} live/{result[2]}{result[3]}", *faults])
        print(line, flush=True)

    def fail(self, name, reason):
        self.results[name] = "not ok"
        self.running = None
        print(f"not ok live/{name}: {reason}", flush=True)


def document_faults(documents):
    """Where JSON documents differ from the schema. Checked here: Python's module for that takes
    seconds to load in the emulation."""
    with tempfile.TemporaryDirectory() as place:
        paths = [pathlib.Path(place, str(number)) for number in range(len(documents))]
        for path, (_, text) in zip(paths, documents):
            path.write_bytes(text)
        done = subprocess.run([sys.executable, "-B", SCHEMA_CHECK, "--document", SCHEMA, *paths], check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) if paths else None
    if not done or done.returncode == 0:
        return []
    said = [line.replace(f"{place}/", "document ") for line in done.stdout.splitlines()]
    return [*said, *(f"document {number} is of: {command}" for number, (command, _) in enumerate(documents))]


def run_batch(tests):
    """One boot after the other until each test has a result: a crash costs one test, not the rest."""
    waiting = list(tests)
    while waiting:
        report = Report()
        status = boot(waiting[0].wish, waiting, report)
        if report.running:
            report.fail(report.running, f"the emulated host ended during it (lab status {status})")
        elif not report.results:
            report.fail(waiting[0].name, f"the emulated host did not come up (lab status {status})")
        waiting = [t for t in waiting if t.name not in report.results]


def boot(wish, tests, report, may_power_off=False):
    command = [str(HERE / "runner"), *(f"{t.seconds}:{t.path}" for t in tests)]
    seconds = sum(t.seconds for t in tests) + 60
    return session.run(wish, command, timeout=seconds, on_stdout=report.feed,
                       may_power_off=may_power_off)


def run_alone(test):
    """A test with boots of its own and a disk that survives them."""
    name = f"test-{test.name}-{os.getpid()}"
    wish = dataclasses.replace(test.wish, persist=name)
    try:
        for number in range(1, test.boots + 1):
            os.environ["USHER_LAB_BOOT"] = str(number)
            last = number == test.boots
            report = Report(is_last=last)
            wish = dataclasses.replace(wish, **test.changes[number - 1])
            status = boot(wish, [test], report, may_power_off=not last)
            if report.running and (last or status != 0):
                report.fail(test.name, f"the emulated host ended during boot {number} (lab status {status})")
            if report.results.get(test.name) in ("not ok", "skip"):
                return
    finally:
        os.environ.pop("USHER_LAB_BOOT", None)
        disk.forget(name)


def run_one_batch(names):
    """What a worker does (lab/workers.py)."""
    batch = [test for test in chosen([]) if test.name in names]
    try:
        if batch[0].own_boot:
            run_alone(batch[0])
        else:
            run_batch(batch)
    except cache.LabError as error:
        for test in batch:
            print(f"not ok live/{test.name}: {error}", flush=True)


def seconds_of(batch):
    """At most. What may take long begins first, so that no processor is idle at the end."""
    return sum(test.seconds for test in batch) * batch[0].boots


def fetch_files(tests):
    """Now, because a kernel that is being built would slow down a test beside it."""
    with contextlib.suppress(cache.LabError):  # those who need it report it
        for version in {test.wish.kernel for test in tests} - {"small"}:
            kernel.find(version)
        if any("small" in (test.wish.guest, test.wish.kernel) for test in tests):
            small.find()
        for program in {test.program for test in tests if test.program}:
            programs.image(program)
        if any(test.wish.disk == "debian" for test in tests):
            debian.find()


def main():
    session.die_on_signals()
    if sys.argv[1:2] == ["--batch"]:
        run_one_batch(sys.argv[2:])
        return
    tests = chosen(sys.argv[1:])
    fetch_files(tests)
    commands = [[sys.executable, "-B", __file__, "--batch", *(test.name for test in batch)]
                for batch in sorted(batches(tests), key=seconds_of, reverse=True)]
    if not workers.run(commands, workers.most()):
        sys.exit(1)


if __name__ == "__main__":
    try:
        main()
    except session.Ended as end:
        sys.exit(end.status)
