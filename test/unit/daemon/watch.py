#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What usherd does by itself, on a private bus: faults, sleep, systemd-machined.

    watch.py USHERD USHER TOP STAND_IN

STAND_IN plays logind and machined (stand_in_systemd.c).
"""
import contextlib
import ctypes
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

import stage_bus
from stage_bus import *  # pylint: disable=wildcard-import,unused-wildcard-import

stage_bus.BUS = stage_bus.BUS.replace('<policy user="root">', '''<policy user="root">
    <allow own="org.freedesktop.login1"/><allow own="org.freedesktop.machine1"/>
    <allow own="org.freedesktop.systemd1"/>
    <allow send_destination="org.freedesktop.systemd1"/>
    <allow send_destination="org.freedesktop.login1"/>
    <allow send_destination="org.freedesktop.machine1"/>''')
GUESTS = pathlib.Path("/run/usher/vm")


class StandIn:
    """logind and machined, and all that they were told."""

    def __init__(self, program, folder):
        self.file = folder / f"told.{time.monotonic()}"
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=open(self.file, "w"),
                                        preexec_fn=die_with_parent)
        self.await_line("ready")

    def lines(self):
        return self.file.read_text().splitlines()

    def await_line(self, *wanted):
        """Each comes, in this order, after those that were awaited before."""
        for line in wanted:
            try:
                until(lambda w=line: w in self.lines(), f"'{line}'")
            except AssertionError as error:
                raise AssertionError(f"{error}: {self.lines()}") from error
        places = [self.lines().index(line) for line in wanted]
        assert places == sorted(places), self.lines()

    def say(self, word):
        self.process.stdin.write(word.encode() + b"\n")
        self.process.stdin.flush()

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()


class Guest:
    """A guest's keeper: a process that answers at its control socket, and ends when it is to stop.

    It is killed, so no handler of a signal can be late.
    """

    def __init__(self, name, devices, on_sleep="refuse", stuck=None):
        folder = GUESTS / name
        folder.mkdir(parents=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(folder / "control"))
        listener.listen()
        self.name, self.folder = name, folder
        self.state = {"ok": True, "name": name, "engine": "usher", "state": "running",
                      "keeper": 1, "on_sleep": on_sleep, "devices": devices}
        self.stuck = stuck
        self.pid = os.fork()
        if self.pid == 0:
            die_with_parent()
            end_after(lambda: self.serve(listener))
        listener.close()
        # usherd has it on the bus: so await_end() can tell that it is not there any more.
        until(lambda: not error_of(lambda: introspect_guest(name)), "a guest on the bus")

    def serve(self, listener):
        """A process for each client, so that none waits for another."""
        own = os.getpid()
        while True:
            client = listener.accept()[0]
            if os.fork():
                client.close()
                continue
            die_with_parent()
            if os.getppid() == own:  # else it has ended before that
                end_after(lambda c=client: self.talk(c))
            os._exit(0)

    def talk(self, client):
        """Until the client goes, be it in the middle of an answer."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.sendall(json.dumps({"protocol": 1, "usher": "0", "guest": self.name}).encode() + b"\n")
            for line in client.makefile():
                self.answer(client, json.loads(line)["command"])

    def answer(self, client, command):
        self.state["pid"] = os.getppid()
        client.sendall(json.dumps(self.state if command == "state" else {"ok": True}).encode() + b"\n")
        if command == "events" and self.stuck:
            client.sendall(json.dumps({"event": "stuck", "message": self.stuck}).encode() + b"\n")
        if command == "stop":
            client.sendall(b'{"event":"ended","status":0}\n{"event":"done","status":0}\n')
            os.kill(os.getppid(), signal.SIGKILL)

    def end(self):
        os.kill(self.pid, signal.SIGKILL)
        self.await_end()

    def await_end(self):
        """Until usherd has noticed it: the next guest may have its name."""
        until(lambda: os.waitpid(self.pid, os.WNOHANG)[0] == self.pid, "the end of a guest")
        shutil.rmtree(self.folder)
        until(lambda: error_of(lambda: introspect_guest(self.name)), "usherd's notice of it")


def test_without_logind(service, told):
    """Its absence is said once, and holds up nothing."""
    for _ in range(2):
        guest = Guest("web", [DISK])
        until(lambda: "logind does not" in told.read_text(), "the message")
        guest.end()
    time.sleep(0.3)
    assert told.read_text().count("logind") == 1, told.read_text()


def test_refuses(service, systemd):
    """Sleep is refused with a reason as long as devices are lent."""
    web = Guest("web", [DISK, OTHER])
    first = f"block: guest 'web' has {DISK} {OTHER}"
    systemd.await_line("inhibit sleep usher " + first)
    none = Guest("none", [])
    mail = Guest("mail", [CARD])
    both = f"inhibit sleep usher block: guest 'mail' has {CARD}, guest 'web' has {DISK} {OTHER}"
    # The new one is there before the old one goes.
    systemd.await_line(both, "released " + first)
    web.end()
    systemd.await_line(f"inhibit sleep usher block: guest 'mail' has {CARD}")
    mail.end()
    systemd.await_line(f"released block: guest 'mail' has {CARD}")
    none.end()
    assert not any("none" in line for line in systemd.lines()), systemd.lines()


def test_lease(service, systemd):
    """A lease keeps the host awake as a guest does, and is there afterwards."""
    subprocess.run([service.usher, "lease", DISK, "--key", "night", "--quiet"], check=True)
    held = f"block: lease 'night' has {DISK}"
    systemd.await_line("inhibit sleep usher " + held)
    systemd.say("sleep")
    systemd.say("wake")
    assert "released " + held not in systemd.lines()
    subprocess.run([service.usher, "lease", "--end", "--key", "night"], check=True)
    systemd.await_line("released " + held)


def test_releases(service, systemd):
    """A guest that may be stopped is, before the host sleeps; one that may not is left alone."""
    web, mail = Guest("web", [DISK], "release"), Guest("mail", [CARD])
    held = f"delay: guest 'web' has {DISK}"
    systemd.await_line("inhibit sleep usher " + held)
    systemd.say("sleep")
    web.await_end()
    systemd.await_line("released " + held)
    assert mail.folder.exists()
    systemd.say("wake")
    mail.end()


def test_logind_starts_again(service, systemd, again):
    """A logind that starts later, or again, gets what is wanted."""
    web = Guest("web", [DISK])
    line = f"inhibit sleep usher block: guest 'web' has {DISK}"
    systemd.await_line(line)
    systemd.close()
    new = again()
    new.await_line(line)
    web.end()
    new.await_line(f"released block: guest 'web' has {DISK}")
    return new


def test_fault(service, systemd):
    """What a keeper or the kernel says of a fault is a signal and a property."""
    web = Guest("web", [DISK], stuck=f"{DISK} did not come back from its reset")
    path = object_path("guest", "web")
    text = f"{DISK} did not come back from its reset"
    systemd.await_line(f"Fault {path} stuck {text}")
    bus = connect()
    found = dbus.Interface(bus.get_object(NAME, ROOT, introspect=False),
                           "org.freedesktop.DBus.Properties").Get(NAME + ".Health", "Faults")
    assert [tuple(map(str, one)) for one in found] == [(path, "stuck", text)], found
    web.end()


def cgroup_top():
    """Where cgroups of version 2 are; None."""
    for line in open("/proc/mounts"):
        words = line.split()
        if words[2] == "cgroup2":
            return pathlib.Path(words[1])
    return None


def test_machined(service, systemd):
    """A guest in a unit of its own is registered; one in a session or in usherd's unit is not."""
    top = cgroup_top()
    if not top or not os.access(top, os.W_OK):
        print("# no cgroups of version 2")
        return
    for unit, is_own in (("usher-guest@web.service", True), ("session-7.scope", False)):
        place = top / f"usher-test-{os.getpid()}.slice"
        folder = place / unit / "usher-run-1"
        folder.mkdir(parents=True)
        try:
            own = subprocess.Popen(["sleep", "60"], preexec_fn=die_with_parent)
            (folder / "cgroup.procs").write_text(str(own.pid))
            web = GuestOf(own.pid)
            if is_own:
                systemd.await_line(f"register web 0 usher vm {own.pid} ''")
            web.end()
            if is_own:
                systemd.await_line("unregister web")
        finally:
            own.kill()
            own.wait()
            until(lambda: not (folder / "cgroup.procs").read_text(), "an empty cgroup")
            for one in (folder, folder.parent, place):
                one.rmdir()
    assert sum(line.startswith("register") for line in systemd.lines()) == 1, systemd.lines()
    for unit in ("usherd.service", "usher-start-7.service"):
        moved_machine(systemd, top, unit)


def moved_machine(systemd, top, unit):
    """A guest of a unit that it leaves is registered when systemd has moved it to a scope."""
    place = top / f"usher-moved-{os.getpid()}.slice"
    ours, scope = place / unit, place / "usher-guest-web.scope"
    for folder in (place, ours, scope):
        folder.mkdir()
    own = subprocess.Popen(["sleep", "60"], preexec_fn=die_with_parent)
    try:
        (ours / "cgroup.procs").write_text(str(own.pid))
        web = GuestOf(own.pid)
        # The stand-in takes its messages in order.
        connect().get_object("org.freedesktop.machine1", "/org/freedesktop/machine1", introspect=False).Ping(
            dbus_interface="org.freedesktop.DBus.Peer")
        assert f"register web 0 usher vm {own.pid} ''" not in systemd.lines(), unit
        (scope / "cgroup.procs").write_text(str(own.pid))
        systemd.await_line(f"register web 0 usher vm {own.pid} ''")
        web.end()
    finally:
        own.kill()
        own.wait()
        until(lambda: not (scope / "cgroup.procs").read_text(), "an empty cgroup")
        for folder in (scope, ours, place):
            folder.rmdir()


def test_cancelled_start(service, systemd):
    """Whoever cancels the start of a guest ends the unit that systemd runs it in, not only its waiter."""
    programs = service.folder / "programs"
    programs.mkdir()
    (programs / "systemd-run").write_text(f"#!/bin/sh\necho \"$@\" >{programs}/ran\nexec sleep 60\n")
    (programs / "systemd-run").chmod(0o755)
    os.makedirs("/run/systemd/system")  # sd_booted(3)
    service.daemon_restart(PATH=f"{programs}:{os.environ['PATH']}")
    try:
        bus = connect()
        path = manager(bus).Start("web", options())
        until(lambda: (programs / "ran").exists() and (programs / "ran").read_text().endswith("\n"), "systemd-run")
        # The job's number is in the path of its object.
        unit = f"usher-start-{service.daemon.pid}-{path.rpartition('/_3')[2]}"
        assert f"--unit={unit}" in (programs / "ran").read_text().split(), (programs / "ran").read_text()
        job = dbus.Interface(bus.get_object(NAME, path, introspect=False), NAME + ".Job")
        job.Cancel()
        systemd.await_line(f"unknown {unit}.service replace", f"stop {unit}.service replace")
        assert job.Wait()[0] == "cancelled"
        service.daemon_restart(PATH=str(service.folder))  # without systemd-run
        try:
            manager(connect()).Start("web", options())
            raise AssertionError("a guest starts by no program")
        except dbus.DBusException as error:
            assert error.get_dbus_message() == "usherd cannot start a process for that: No such file or directory", error
    finally:
        os.rmdir("/run/systemd/system")
        service.daemon_restart()


def monitor_of(service):
    """The process of usherd's monitor of faults; None."""
    pid = service.daemon.pid
    for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        with contextlib.suppress(OSError):
            if b"--only=faults" in pathlib.Path(f"/proc/{child}/cmdline").read_bytes():
                return int(child)
    return None


def naps_of(pid):
    """How often that process has gone to sleep."""
    return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text(), re.M)[1])


def test_monitor(service, systemd):
    """usherd never waits for the end of its monitor, and starts it again, also if it could not at once."""
    until(lambda: monitor_of(service), "a monitor")
    libc, seize = ctypes.CDLL(None), 0x4206
    first = monitor_of(service)
    # Nobody is told of the end of a traced process before its tracer is.
    assert libc.ptrace(seize, first, None, None) == 0
    os.kill(first, signal.SIGKILL)
    until(lambda: monitor_of(service) != first, "the end of a monitor")
    begun = time.monotonic()
    assert manager(connect()).Return("nothing") == "/"
    assert time.monotonic() - begun < 5
    os.waitpid(first, 0x40000000)  # __WALL: as its tracer
    service.daemon_restart()
    until(lambda: monitor_of(service), "another monitor")
    # Without a descriptor no pipe can be made.
    pid, second = service.daemon.pid, monitor_of(service)
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, limits[1]))
    os.kill(second, signal.SIGKILL)
    until(lambda: not os.path.exists(f"/proc/{second}"), "the end of a monitor")
    # usherd sleeps now at the latest; nothing but its timer wakes it, and it fails, and sleeps again.
    naps = naps_of(pid)
    until(lambda: naps_of(pid) >= naps + 2, "another try")
    assert not monitor_of(service)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
    until(lambda: monitor_of(service), "a monitor after the want")


class GuestOf(Guest):
    """A guest whose process is another one."""

    def __init__(self, process):
        self.process = process
        super().__init__("web", [])

    def answer(self, client, command):
        self.state["pid"] = self.process
        client.sendall(json.dumps(self.state if command == "state" else {"ok": True}).encode() + b"\n")


def introspect_guest(name):
    return connect().get_object(NAME, object_path("guest", name), introspect=False).Introspect(
        dbus_interface="org.freedesktop.DBus.Introspectable")


def main():
    usherd, usher, top, stand_in = sys.argv[1:]
    folder = pathlib.Path(tempfile.mkdtemp(prefix="usher-watch-"))
    os.chmod(folder, 0o755)
    enter(folder)
    service = Service(os.path.abspath(usherd), os.path.abspath(usher), pathlib.Path(top), folder)
    told = folder / "usherd.told"
    systemd = None
    try:
        service.daemon = subprocess.Popen(service.words, stdin=subprocess.DEVNULL,
                                          stderr=open(told, "w"), preexec_fn=die_with_parent)
        service.processes.append(service.daemon)
        until(lambda: has_owner(NAME), "usherd")
        failed = not run(test_without_logind, service, told)
        systemd = StandIn(os.path.abspath(stand_in), folder)
        failed |= not run(test_fault, service, systemd)
        failed |= not run(test_machined, service, systemd)
        failed |= not run(test_cancelled_start, service, systemd)
        failed |= not run(test_monitor, service, systemd)
        failed |= not run(test_refuses, service, systemd)
        failed |= not run(test_lease, service, systemd)
        failed |= not run(test_releases, service, systemd)
        first = systemd
        failed |= not run(test_logind_starts_again, service, first,
                          lambda: StandIn(os.path.abspath(stand_in), folder))
    finally:
        service.close()
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(failed)


def run(test, *arguments):
    try:
        test(*arguments)
    except Exception as error:  # pylint: disable=broad-except
        import traceback
        traceback.print_exc()
        print(f"not ok {test.__name__}: {error}")
        return False
    print(f"ok {test.__name__}", flush=True)
    return True


if __name__ == "__main__":
    main()
