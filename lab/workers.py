# SPDX-License-Identifier: MIT
"""Runs commands beside each other, and passes on what each prints, one result at a time.

How it works

Each command is a process of its own: a lab is one process that ends, and cleans up, at a signal. The
lines of a failed test follow its result, indented. So a 'not ok' is held back until the next result
of the same command, and then printed together with its lines. All other results appear at once.
"""
import os
import selectors
import subprocess
import sys

MEMORY = 4 << 30  # [bytes] for an emulated host, with what runs beside it
MOST = 4


def most():
    """As many as there are processors (cache.turn), and no more than the memory holds."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(os.cpu_count() or 1, memory // MEMORY, MOST))


class Worker:
    def __init__(self, command, out):
        # setpriv: the kernel ends the worker when this process ends, for any reason.
        self.process = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", "--", *command],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.out = out
        self.held = []  # a failed test's result and lines
        self.part = b""

    def read(self):
        """Return: False at the end of the output."""
        data = os.read(self.process.stdout.fileno(), 1 << 16)
        *lines, self.part = (self.part + data).split(b"\n")
        for line in lines:
            self.line(line)
        if not data:
            self.line(self.part)
            self.flush()
        return bool(data)

    def line(self, line):
        is_detail = line.startswith(b" ") or not line
        if not is_detail:
            self.flush()
        if line.startswith(b"not ok ") or (is_detail and self.held):
            self.held.append(line)
        elif line:
            self.out(line + b"\n")

    def flush(self):
        if self.held:
            self.out(b"".join(line + b"\n" for line in self.held if line))
        self.held = []

    def end(self):
        """Return: the exit status."""
        self.process.stdout.close()
        return self.process.wait()


def write_out(data):
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def run(commands, most, out=write_out):
    """Runs all commands, `most` at a time, in this order. Return: whether all have ended with 0."""
    waiting, running, well = list(commands), set(), True
    with selectors.DefaultSelector() as selector:
        try:
            while waiting or running:
                while waiting and len(running) < most:
                    worker = Worker(waiting.pop(0), out)
                    running.add(worker)
                    selector.register(worker.process.stdout, selectors.EVENT_READ, worker)
                for key, _ in selector.select():
                    if not key.data.read():
                        selector.unregister(key.fileobj)
                        running.remove(key.data)
                        well &= key.data.end() == 0
        finally:
            for worker in running:
                worker.process.terminate()
            for worker in running:
                worker.end()
    return well
