#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What `usher metrics` prints is valid: the parsers of Prometheus take it in both formats, that of
OpenMetrics and the older one of node_exporter, and find the same samples.

    metrics.py USHER HOST…
"""
import os
import stat
import subprocess
import sys
import tempfile

try:
    from prometheus_client import openmetrics, parser
    import prometheus_client.openmetrics.parser  # pylint: disable=unused-import
except ImportError:
    # ./dev installs python3-prometheus-client, for the distribution's own Python.
    if sys.executable == "/usr/bin/python3" or "METRICS_AGAIN" in os.environ:
        sys.exit("metrics.py needs prometheus_client: apt-get install python3-prometheus-client")
    os.environ["METRICS_AGAIN"] = "1"
    os.execv("/usr/bin/python3", ["/usr/bin/python3", *sys.argv])

# The older format has types of its own; node_exporter refuses a file with any other.
OLDER_TYPES = {"counter", "gauge", "histogram", "summary", "untyped"}


def samples(families):
    return sorted((one.name, tuple(sorted(one.labels.items())), one.value)
                  for family in families for one in family.samples)


def faults(text, what):
    try:
        new = list(openmetrics.parser.text_string_to_metric_families(text))
        old = list(parser.text_string_to_metric_families(text))
    except ValueError as error:
        yield f"{what}: {error}"
        return
    for line in text.splitlines():
        if line.startswith("# TYPE") and line.split()[3] not in OLDER_TYPES:
            yield f"{what}: node_exporter does not know the type of: {line}"
    if samples(new) != samples(old):
        yield f"{what}: the two formats differ: {set(samples(new)) ^ set(samples(old))}"
    if not any(family.name == "usher_devices" for family in new):
        yield f"{what}: no family usher_devices"
    for family in new:
        if not family.documentation:
            yield f"{what}: {family.name} has no text"


def printed(usher, *words):
    return subprocess.run([usher, "metrics", *words], check=True, capture_output=True, text=True).stdout


def file_faults(usher, host):
    """--output has the same text, in a file that everybody may read, and leaves nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "usher.prom")
        for _ in range(2):
            if printed(usher, "--host", host, "--output", path):
                yield "--output: something is on standard output"
        with open(path, encoding="utf-8") as file:
            if file.read() != printed(usher, "--host", host):
                yield "--output: the file has another text"
        if os.stat(path).st_mode & 0o777 != 0o644 or os.listdir(folder) != ["usher.prom"]:
            yield f"--output: left {os.listdir(folder)}, mode {os.stat(path).st_mode:o}"


def place_faults(usher, host):
    """A link and a FIFO stay what they are: root may name /dev/stdout or /dev/null."""
    with tempfile.TemporaryDirectory() as folder:
        link, pipe, file = (os.path.join(folder, name) for name in ("link", "pipe", "file"))
        os.symlink("file", link)
        os.mkfifo(pipe)
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        for path in (link, pipe):
            printed(usher, "--host", host, "--output", path)
        if not os.path.islink(link) or not os.path.getsize(file):
            yield "--output: does not write through a link of the caller's"
        if not stat.S_ISFIFO(os.stat(pipe).st_mode) or not os.read(reader, 16):
            yield "--output: replaces a FIFO"
        os.close(reader)


def main():
    usher, hosts = sys.argv[1], sys.argv[2:]
    found = [fault for host in hosts for fault in faults(printed(usher, "--host", host), host)]
    found += faults(printed(usher), "this machine")
    found += file_faults(usher, hosts[0])
    found += place_faults(usher, hosts[-1])
    print("\n".join(found) if found else f"the metrics of {len(hosts)} hosts are valid")
    return 1 if found or not hosts else 0


if __name__ == "__main__":
    sys.exit(main())
