# SPDX-License-Identifier: MIT
"""One boot of the emulated host, for one command or for a shell at this terminal."""
import contextlib
import os
import pathlib
import selectors
import shlex
import shutil
import signal
import socket
import stat
import sys
import tempfile
import termios
import threading
import time
import tty

import cache
import debian
import disk
import initramfs
import kernel
import nested
import machine
import small

HERE = pathlib.Path(__file__).parent
APPLETS = ["sh", "mount", "insmod", "cat", "cp", "mkdir", "sleep", "switch_root"]
# Built into newer kernels: the first two, which are then left out.
BOOT_MODULES = ["virtio_pci", "virtio_console", "9p", "9pnet_virtio", "overlay"]

TIMED_OUT = 124
LAB_FAILED = 125
BOOT_SECONDS = 120  # 6 on an idle machine
PULSE_SECONDS = 1
ESCAPE = b"\x1d"  # Ctrl-], as telnet: leave a shell that does not answer

# The rest of the environment names things that do not exist in the emulated host.
PASSED_ON = {"PATH", "HOME", "LANG", "TERM", "TZ", "NO_COLOR", "ASAN_OPTIONS", "UBSAN_OPTIONS",
             "LSAN_OPTIONS"}


class Ended(Exception):
    """The boot is over, with this exit status."""

    def __init__(self, status):
        self.status = status


def run(wish, command=None, *, timeout=None, on_stdout=None, on_stderr=None, qmp=None,
        may_power_off=False, boot_timeout=BOOT_SECONDS):
    """Boots, runs the command (None: a shell), and returns its exit status."""
    at_terminal = command is None and os.isatty(0)
    with contextlib.ExitStack() as stack:
        booted = small.find() if wish.kernel == "small" else kernel.find(wish.kernel)
        archive = boot_archive(wish, booted)
        persist = None
        if wish.persist:
            stack.enter_context(cache.locked(f"persist-{wish.persist}", wait=False))
            persist = disk.persistent(wish.persist)

        place = stack.enter_context(run_directory())
        job = place.path / "job"
        job.write_text(job_script(wish, command))
        of_guests = small.find() if wish.guest == "small" else booted
        settings = {"job": job, "modules": booted.modules, "kernel": of_guests.vmlinux,
                    "initrd": nested.archive(of_guests)}
        if persist:
            settings["persist"] = "/dev/vda"
        image = debian.find() if wish.disk == "debian" else None
        if image:
            settings["image"] = image
        if wish.init != "agent":
            settings["init"] = wish.init
        if at_terminal:
            size = os.get_terminal_size(0)
            settings |= {"shell": 1, "cols": size[0], "rows": size[1]}
        elif on_stdout is None and forwards_stdin():
            settings["input"] = 1

        announce()
        if command is not None:  # a shell is idle most of the time
            stack.enter_context(cache.turn())
        host = machine.Machine(wish, booted, archive, place.path, settings, persist, image,
                               qmp)
        stack.callback(host.kill)
        session = Session(host, timeout, on_stdout or writer(1), on_stderr or writer(2), may_power_off)
        session.limit_boot(boot_timeout)
        status = session.serve(shell=at_terminal, stdin="input" in settings)
        place.keep = session.complained
        return status


def boot_archive(wish, booted):
    modules = ["virtio_iommu"] if wish.iommu == "virtio" else []
    return initramfs.build(f"host-{wish.iommu}", booted, APPLETS, [*modules, *BOOT_MODULES],
                           {"init": HERE / "init", "agent": HERE / "agent"})


class RunDirectory:
    """The files of one boot. They are kept only if a message named the console log in them."""

    def __init__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="usher-lab."))
        self.keep = False


@contextlib.contextmanager
def run_directory():
    place = RunDirectory()
    try:
        yield place
    finally:
        if not place.keep:
            shutil.rmtree(place.path, ignore_errors=True)


def announce():
    told = cache.directory() / "told"
    if not told.exists() and not cache.quiet:
        cache.say("the emulated host sees this machine's files, read-only; its writes are lost")
        told.touch()
    # Only on a terminal: a script that reads stderr gets the command's alone, byte for byte.
    if os.isatty(2):
        cache.say("booting the emulated host (about 6 s)")


def job_script(wish, command):
    """The shell script that the agent runs: same directory, same words."""
    passed = {name: value for name, value in os.environ.items()
              if name in PASSED_ON or name.startswith(("LC_", "USHER_"))}
    passed |= {"USHER_LAB": wish.topology, "USHER_LAB_DISK_SHA256": disk.pattern_checksum()}
    lines = [f"export {name}={shlex.quote(value)}" for name, value in passed.items()]
    lines.append(f"cd {shlex.quote(os.getcwd())} || exit 125")
    lines.append(f"exec {shlex.join(command or [os.environ.get('SHELL') or '/bin/sh'])}")
    return "\n".join(lines) + "\n"


def forwards_stdin():
    """A pipe or a file is passed on; a terminal stays here, because Ctrl-C is for the lab."""
    try:
        mode = os.fstat(0)
    except OSError:
        return False
    return not os.isatty(0) and not (stat.S_ISCHR(mode.st_mode) and mode.st_rdev == os.makedev(1, 3))


def writer(fd):
    def write(data):
        while data:
            try:
                data = data[os.write(fd, data):]
            except BrokenPipeError:
                raise Ended(128 + signal.SIGPIPE) from None
    return write


class Session:
    def __init__(self, host, timeout, on_stdout, on_stderr, may_power_off):
        self.host = host
        self.timeout = timeout
        self.may_power_off = may_power_off
        self.sinks = {"stdout": on_stdout, "stderr": on_stderr, "tty": writer(1)}
        self.selector = selectors.DefaultSelector()
        self.control = b""
        self.ready = False
        self.complained = False
        self.limit_boot(BOOT_SECONDS)

    def limit_boot(self, seconds):
        self.boot_seconds = seconds
        self.deadline = time.monotonic() + seconds

    def serve(self, shell, stdin):
        """Carries bytes until the command has ended; returns its exit status."""
        for name in ("control", "stdout", "stderr", "tty"):
            self.watch(name)
        threading.Thread(target=self.pulse, daemon=True).start()
        if stdin:
            threading.Thread(target=self.feed, daemon=True).start()
        with raw_terminal() if shell else contextlib.nullcontext():
            if shell:
                self.selector.register(0, selectors.EVENT_READ, self.on_key)
            try:
                while True:
                    self.step()
            except Ended as end:
                return end.status

    def watch(self, name):
        self.selector.register(self.host.ports[name], selectors.EVENT_READ,
                               lambda: self.on_port(name))

    def step(self):
        left = self.deadline - time.monotonic() if self.deadline else None
        if left is not None and left <= 0:
            self.on_deadline()
        for key, _ in self.selector.select(left):
            key.data()

    def on_port(self, name):
        data = self.host.ports[name].recv(1 << 16)
        if not data:
            self.on_power_off()
        elif name == "control":
            self.on_control(data)
        else:
            self.sinks[name](data)

    def on_control(self, data):
        self.control += data
        *lines, self.control = self.control.split(b"\n")
        for line in lines:
            word, _, rest = line.partition(b" ")
            if word == b"ready":
                self.ready = True
                self.deadline = time.monotonic() + self.timeout if self.timeout else None
            elif word == b"exit":
                self.drain()
                raise Ended(int(rest))

    def drain(self):
        """All output is in the sockets now, because a write in the emulated host returns only then."""
        for name in ("stdout", "stderr", "tty"):
            port = self.host.ports[name]
            port.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while data := port.recv(1 << 16):
                    self.sinks[name](data)

    def feed(self):
        """In a separate thread, because a command that does not read may block it forever."""
        with contextlib.suppress(OSError):
            while data := os.read(0, 1 << 16):
                self.host.ports["stdin"].sendall(data)
            # Not close(): QEMU would discard what it has not read yet.
            self.host.ports["stdin"].shutdown(socket.SHUT_WR)

    def pulse(self):
        """
        An interrupt each second. In VMRUN, QEMU's processor sets its pending interrupts without the
        lock that devices use, so one of them may be lost. If that was the timer of an idle host, the
        host would sleep forever, with the interrupt pending in its APIC. Any later interrupt wakes
        it.
        """
        port = self.host.ports["pulse"]
        port.setblocking(False)
        while port.fileno() >= 0:
            with contextlib.suppress(OSError):
                port.send(b".")
            time.sleep(PULSE_SECONDS)

    def on_key(self):
        data = os.read(0, 1 << 14)
        if not data or ESCAPE in data:
            raise Ended(0)
        self.host.ports["tty"].sendall(data)

    def on_deadline(self):
        if self.ready:
            self.complain(f"the command did not end within {self.timeout:g} s")
            raise Ended(TIMED_OUT)
        self.complain(f"the emulated host did not come up within {self.boot_seconds:g} s")
        raise Ended(LAB_FAILED)

    def on_power_off(self):
        self.host.process.wait()
        if any("Kernel panic" in line for line in log_lines(self.host.console)):
            self.complain("the emulated host's kernel panicked")
        elif self.ready and self.may_power_off:
            raise Ended(0)
        elif self.ready:
            self.complain("the emulated host went off before the command had ended")
        else:
            self.complain("the emulated host did not come up")
        raise Ended(LAB_FAILED)

    def complain(self, what):
        self.complained = True
        print(f"lab: {what}; the end of its console:", file=sys.stderr)
        for line in self.last_lines():
            print(f"  {line}", file=sys.stderr)
        print(f"lab: all of it: {self.host.console}", file=sys.stderr, flush=True)

    def last_lines(self):
        lines = [*log_lines(self.host.console), *log_lines(self.host.qemu_log)]
        return [line for line in lines if "TCG doesn't support requested feature" not in line][-20:]


def log_lines(path):
    return path.read_text(errors="replace").splitlines() if path.exists() else []


@contextlib.contextmanager
def raw_terminal():
    saved = termios.tcgetattr(0)
    tty.setraw(0)
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, saved)


def die_on_signals():
    """Turns a signal into an exception, so that the emulated host's files are removed."""
    def leave(number, _):
        raise Ended(128 + number)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)
