# SPDX-License-Identifier: MIT
"""What belongs to root and is used by others: leases, guests, ROMs, snapshots of the host. For service.py."""
import contextlib
import json
import os
import pathlib
import re
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time

from stage_bus import *  # pylint: disable=wildcard-import,unused-wildcard-import

GUESTS = pathlib.Path("/run/usher/vm")
FIGURES = {"exits": {"io": 12, "total": 12}}


class MuteKeeper:
    """A lease's keeper that answers all but usherd itself, or hangs when usherd asks for the descriptors."""

    def __init__(self, name, daemon, user, hangs=False):
        folder = LEASES / name
        folder.mkdir(parents=True)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(folder / "control"))
        self.listener.listen()
        self.folder, self.daemon, self.user = folder, daemon, user
        self.is_mute, self.hangs = not hangs, False
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.answer, args=(client,), daemon=True).start()

    def answer(self, client):
        pid = struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
        with contextlib.suppress(OSError):
            self.converse(client, pid)

    def converse(self, client, pid):
        if self.hangs:
            threading.Event().wait()
        client.sendall(b'{"protocol":1,"usher":"0","lease":"mute"}\n')
        for line in client.makefile():
            if pid == self.daemon:
                self.hangs = self.hangs or "descriptors" in line
                if self.is_mute or self.hangs:
                    continue
            answer = json.dumps({"ok": True, "name": "mute", "engine": "lease", "state": "running", "keeper": 1,
                                 "user": self.user, "devices": [DISK]}).encode() + b"\n"
            if "descriptors" in line:
                socket.send_fds(client, [answer], [0, 0])
            else:
                client.sendall(answer)

    def close(self):
        self.listener.close()
        shutil.rmtree(self.folder)


def test_mute_keeper(service):
    """A keeper that does not answer usherd holds up no call for ever, and lends to its own user alone."""
    keepers = [MuteKeeper(f"{MEMBER}+mute", service.daemon.pid, MEMBER),
               MuteKeeper(f"{MEMBER}+other", service.daemon.pid, STRANGER),
               MuteKeeper(f"{MEMBER}+hung", service.daemon.pid, MEMBER, hangs=True)]
    took = {}
    said = {}

    def borrow(key):
        begun = time.monotonic()
        said[key] = ask(MEMBER, lambda bus: str(manager(bus).Lease([DISK], options(key=key), timeout=30)[0]))
        took[key] = time.monotonic() - begun

    threads = [threading.Thread(target=borrow, args=(key,)) for key in ("mute", "other", "hung")]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert said == {"mute": object_path("lease", f"{MEMBER}+mute"), "other": ERROR + "Failed",
                        "hung": ERROR + "Failed"}, said
        assert max(took.values()) < 15 and took["hung"] < 10, took
    finally:
        for keeper in keepers:
            keeper.close()
    service.daemon_restart()


def accept_from(listener, pid, others):
    """The connection of that process; others, such as that of usherd's monitor, are kept.

    usherd closes one whose socket was made while it looked, and says nothing there: it comes again.
    """
    while True:
        client = listener.accept()[0]
        client.settimeout(10)
        if struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0] != pid:
            others.append(client)
        elif client.recv(1, socket.MSG_PEEK):
            return client
        else:
            client.close()


def test_late_keeper(service):
    """A keeper finds usherd's questions when it accepts, which is late; one of another protocol is no lease."""
    for protocol in (1, 2):
        name, others = f"late{protocol}", []
        folder = LEASES / name
        folder.mkdir(parents=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.settimeout(10)
            listener.bind(str(folder / "control"))
            listener.listen()
            with accept_from(listener, service.daemon.pid, others) as client, client.makefile() as lines:
                asked = [json.loads(lines.readline())["command"] for _ in range(2)]
                assert asked == ["events", "state"], asked
                for answer in ({"protocol": protocol, "usher": "0", "lease": name}, {"ok": True},
                               {"ok": True, "name": name, "engine": "lease", "state": "running", "keeper": 1,
                                "user": 0, "devices": []}):
                    client.sendall(json.dumps(answer).encode() + b"\n")
                if protocol == 1:
                    until(lambda n=name: not error_of(lambda: introspect_lease(n)), "a lease on the bus")
                else:
                    time.sleep(0.3)
                    assert error_of(lambda n=name: introspect_lease(n))
        shutil.rmtree(folder)


def introspect_lease(name):
    return connect().get_object(NAME, object_path("lease", name), introspect=False).Introspect(
        dbus_interface="org.freedesktop.DBus.Introspectable")


class Heard:
    """What the bus carries, as dbus-monitor prints it."""

    def __init__(self, service, *rules):
        self.file = service.folder / "heard"
        with open(self.file, "w", encoding="utf-8") as file:
            self.program = subprocess.Popen(["dbus-monitor", "--address", os.environ["DBUS_SYSTEM_BUS_ADDRESS"],
                                             *(rules or ("type='signal'", "type='method_return'"))], stdout=file)
        until(self.text, "dbus-monitor")

    def text(self):
        return self.file.read_text(encoding="utf-8")

    def added(self, job):
        """Where it is added, and its state there; None."""
        found = re.search(rf'member=InterfacesAdded\n +object path "{job}"(?s:.*?)"State"\n +variant +string "(\w+)"',
                          self.text())
        return found and (found.start(), found[1])

    def changes(self, job):
        return [one.start() for one in re.finditer(
            f"path={job}; interface=org.freedesktop.DBus.Properties; member=PropertiesChanged", self.text())]

    def done(self, job=r"\S+"):
        return re.search(rf'member=JobDone\n +object path "({job})"\n +string "done"', self.text())

    def close(self):
        self.program.kill()
        self.program.wait()
        self.file.unlink()


def test_signals(service):
    """Signals of a job come in order, few of them, and after the answer to whoever waits for it."""
    program = service.folder / "slow"
    program.write_text("""#!/bin/sh
case $1 in
bind) echo begins >&2; sleep 0.2 ;;
release) for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do echo $i >&2; sleep 0.02; done ;;
*) exec sleep 60 ;;
esac
""")
    program.chmod(0o755)
    service.daemon_restart("--usher", str(program))
    heard = Heard(service)
    try:
        # On a busy machine the job may take longer than its signals wait.
        assert any(signals_of_awaited(heard) for _ in range(5)), heard.text()
        signals_of_unawaited(heard)
    finally:
        heard.close()
        service.daemon_restart()


def signals_of_awaited(heard):
    """Return: whether the object came with its end."""
    bus = connect()
    path = str(manager(bus).Bind([DISK], options()))
    assert dbus.Interface(bus.get_object(NAME, path, introspect=False), NAME + ".Job").Wait()[0] == "done"
    until(lambda: heard.done(path), "the end of the job")
    added, done = heard.added(path), heard.done(path).start()
    assert added and added[0] < done, heard.text()
    if added[1] != "done":
        return False
    answer = re.search(r'method return [^\n]*\n +string "done"\n +int32 0\n', heard.text())
    assert answer and answer.start() < added[0] and not heard.changes(path), heard.text()
    return True


def signals_of_unawaited(heard):
    begun = time.monotonic()
    bus = connect()
    path = str(manager(bus).Release([DISK], options()))
    job = dbus.Interface(bus.get_object(NAME, path, introspect=False), "org.freedesktop.DBus.Properties")
    until(lambda: job.Get(NAME + ".Job", "State") == "done", "the end of the job")
    took = time.monotonic() - begun

    def told():
        return re.search(r'method return [^\n]*\n +variant +string "done"\n', heard.text())

    until(lambda: heard.done(path) and told(), "dbus-monitor")
    text, changes = heard.text(), heard.changes(path)
    # Whoever asks for the state is told of the end no sooner than all others.
    assert heard.done(path).start() < told().start(), text
    assert changes and heard.added(path)[0] < changes[0] and changes[-1] < heard.done(path).start(), text
    assert len(changes) <= took / 0.1 + 1, (changes, took)


def test_signals_of_a_lease(service):
    """The job of a lease signals all that any other does, in order."""
    heard = Heard(service)
    try:
        for fd in lease(connect(), [DISK], key="heard")[2].values():
            os.close(fd)  # whoever has one at the end is killed
        until(heard.done, "the end of the lease's job")
        job = heard.done()[1]
        assert heard.added(job) and heard.added(job)[0] < heard.done().start(), heard.text()
    finally:
        heard.close()
        manager(connect()).Return("heard")
        until(no_lease, "the end of a lease")


def test_callers(service):
    """The bus is asked once who a caller is, and more only where a lease is to be the caller's process's."""
    heard = Heard(service, "type='method_call',destination='org.freedesktop.DBus'", "type='signal'")
    bus = connect()
    try:
        def asked():
            return len(re.findall(rf'member=GetConnection\w+\n +string "{bus.get_unique_name()}"', heard.text()))

        def lend(device, **words):
            name, _, fds = lease(bus, [device], **words)
            for fd in fds.values():
                os.close(fd)
            return name

        assert job_result(bus, manager(bus).Plan([DISK], options()))[0] == "done"
        names = [lend(DISK, key="known")]
        until(lambda: heard.text().count("member=JobDone") == 2, "the ends of both jobs")
        assert asked() == 1, heard.text()
        names.append(lend(OTHER))
        until(lambda: asked() > 1, "the question for the process")
        for name in names:
            assert job_result(bus, manager(bus).Return(name))[0] == "done"
    finally:
        heard.close()
        bus.close()
        until(no_lease, "the end of all leases")


class Guest:
    """The keeper of a guest, a process that answers at its control socket as usher's own does."""

    def __init__(self, name):
        folder = GUESTS / name
        folder.mkdir(parents=True)
        (folder / "keeper").write_text(f"{os.getpid()}\n")
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(folder / "control"))
        os.chmod(folder / "control", 0o600)
        listener.listen()
        self.name, self.folder, self.asked = name, folder, []
        self.knows_restrict = True
        self.listener = listener
        threading.Thread(target=self.serve, daemon=True).start()
        until(lambda: not error_of(self.introspect), "a guest on the bus")

    def introspect(self):
        return connect().get_object(NAME, object_path("guest", self.name), introspect=False).Introspect(
            dbus_interface="org.freedesktop.DBus.Introspectable")

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                client = self.listener.accept()[0]
                threading.Thread(target=self.converse, args=(client,), daemon=True).start()

    def converse(self, client):
        permitted = None
        with contextlib.suppress(OSError):
            client.sendall(json.dumps({"protocol": 1, "usher": "0", "guest": self.name}).encode() + b"\n")
            for line in client.makefile():
                request = json.loads(line)
                command = request["command"]
                self.asked.append(command)
                if command == "restrict" and self.knows_restrict:
                    permitted = request["to"]
                self.answer(client, command, command == "restrict" or permitted is None or command in permitted)

    def answer(self, client, command, is_permitted):
        answer, fds = {"ok": True}, []
        if not is_permitted or command == "restrict" and not self.knows_restrict:
            code = "EPERM" if not is_permitted else "EINVAL"
            answer = {"ok": False, "error": {"code": code, "message": f"this connection does not serve '{command}'"}}
        elif command == "state":
            answer.update(name=self.name, engine="usher", state="running", keeper=os.getpid(), pid=os.getpid(),
                          since=1700000000, memory=1 << 29, cpus=2, detached=True, on_sleep="refuse", devices=[DISK])
        elif command == "statistics":
            answer["statistics"] = FIGURES
        elif command == "console":
            ours, theirs = socket.socketpair()
            ours.sendall(b"login: ")
            ours.close()
            fds = [theirs.fileno()]
        socket.send_fds(client, [json.dumps(answer).encode() + b"\n"], fds)
        if fds:
            theirs.close()
        if command == "stop" and is_permitted:
            client.sendall(b'{"event":"ended","status":0}\n{"event":"done","status":0}\n')

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        shutil.rmtree(self.folder)


def usher_says(service, line, uid, folder="/"):
    words = {"user": uid, "group": uid, "extra_groups": []} if uid else {}
    done = subprocess.run([service.usher, *line.split()], cwd=folder, timeout=60, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, **words)
    return done.returncode, done.stdout, done.stderr


def test_guests(service):
    """A guest of root is seen and used by whoever may, with the same answers as root gets."""
    guest = Guest("web")
    try:
        for line in ("ps", "ps --json", "stat web", "stat --json web", "console --history web", "control web pause",
                     "control web balloon 1G", "control web link user up"):
            direct, by_daemon = usher_says(service, line, 0), usher_says(service, line, BOSS)
            assert direct == by_daemon, (line, direct, by_daemon)
            assert direct[0] == 0, (line, direct)
        # polkit is asked for what is done, and for which guest.
        assert usher_says(service, "stat web", BINDER) == usher_says(service, "stat web", 0)
        for line in ("console --history web", "control web pause"):
            status, _, errors = usher_says(service, line, BINDER)
            assert status == 1 and "polkit" in errors, (line, status, errors)
        # Anybody sees it, as on the bus.
        assert usher_says(service, "ps", STRANGER) == usher_says(service, "ps", 0)
        status, _, errors = usher_says(service, "stat web", STRANGER)
        assert status == 1 and "polkit" in errors, errors
        status, _, errors = usher_says(service, "stat nosuch", BOSS)
        assert status == 1 and "no guest named 'nosuch' runs" in errors, errors
        guest.asked.clear()
        assert usher_says(service, "stop --timeout 5 web", BINDER)[0] == 0
        assert "stop" in guest.asked, guest.asked
    finally:
        guest.close()


def connection_of(bus, guest, purpose):
    return manager(bus).Connect(guest, purpose, options(), timeout=60).take()


def test_connection(service):
    """A connection serves its purpose alone, whatever its user asks for."""
    guest = Guest("web")

    def ask_all(bus):
        answers = {}
        with socket.socket(fileno=connection_of(bus, "web", "watch")) as client:
            lines = client.makefile()
            for command in ("state", "stop", "attach", "console", "statistics"):
                client.sendall(json.dumps({"command": command}).encode() + b"\n")
                answers[command] = json.loads(lines.readline())["ok"]
        return answers

    try:
        answers = ask(BINDER, ask_all)
        assert answers == {"state": True, "stop": False, "attach": False, "console": False, "statistics": True}, answers
        # The bus may still show the guest of before, and usherd not know this one yet.
        for _ in range(10):
            guest.close()
            guest = Guest("web")
            assert ask(BINDER, ask_all) == answers
        for purpose in ("console", "control"):
            assert ask(BINDER, lambda bus, p=purpose: connection_of(bus, "web", p)) == DENIED, purpose
        assert ask(STRANGER, lambda bus: connection_of(bus, "web", "watch")) == DENIED
        assert ask(BOSS, lambda bus: connection_of(bus, "web", "attach")).endswith("InvalidArgs")
        for name in ("nosuch", "../lease/x", ""):
            assert ask(BOSS, lambda bus, n=name: connection_of(bus, n, "watch")) == ERROR + "NotFound", name
        # A keeper of before, which serves everything to everybody, gets no strangers.
        guest.knows_restrict = False
        assert ask(BOSS, lambda bus: connection_of(bus, "web", "watch")) == ERROR + "Failed"
    finally:
        guest.close()


def as_owner(folder, uid):
    folder.mkdir()
    os.chown(folder, uid, uid)
    return folder


def test_files(service):
    """What root reads becomes a file of the user's, written by the user."""
    folder = as_owner(service.folder / "files", BOSS)
    program = service.folder / "writes"
    program.write_text("""#!/bin/sh
case $1 in
rom) echo "$2 in $3: $(id -u)"; printf 'ROM\\377' >&3 ;;
snapshot) echo "usher-host 1 $*" ;;
*) exec sleep 60 ;;
esac
""")
    program.chmod(0o755)
    service.daemon_restart("--usher", str(program))
    try:
        says = usher_says(service, f"rom {DISK} card.rom", BOSS, folder)
        assert says == (0, f"{DISK} in card.rom: 0\n", ""), says
        for line, name in (("snapshot here.host", "here.host"), ("snapshot --exact all.host", "all.host")):
            assert usher_says(service, line, BOSS, folder) == (0, "", ""), line
            assert (folder / name).read_text().startswith("usher-host 1 snapshot"), name
        assert usher_says(service, "snapshot -", BOSS)[1] == "usher-host 1 snapshot -\n"
        assert (folder / "card.rom").read_bytes() == b"ROM\xff"
        assert {path.stat().st_uid for path in folder.iterdir()} == {BOSS}
        assert (folder / "all.host").stat().st_mode & 0o777 == 0o600
        # Where the user may not write, nobody does.
        status, _, errors = usher_says(service, f"rom {DISK} /etc/card.rom", BOSS)
        assert status == 1 and "Permission denied" in errors, (status, errors)
        assert not os.path.exists("/etc/card.rom")
    finally:
        service.daemon_restart()


def test_snapshot(service):
    """A snapshot by usherd is one, and has what an ordinary user may not read; without leave it is made here."""
    for uid in (BOSS, STRANGER):
        status, text, errors = usher_says(service, "snapshot -", uid)
        assert status == 0 and re.match(r"usher-host \d\n(.*\n)+end .*\n$", text), (uid, status, text[:100], errors)


def test_descriptors_of_others(service):
    """root writes into the caller's memory alone: into no file, and opens none."""
    def file(path, mode):
        return lambda: {"file": dbus.types.UnixFd(os.open(path, mode))}

    none = dict
    own = service.folder / "own.rom"
    own.touch()
    os.chown(own, BOSS, BOSS)
    assert run_error(BOSS, "rom", [DISK, "/etc/x"], none).endswith("InvalidArgs")
    assert run_error(BOSS, "snapshot", ["/etc/x"], none).endswith("InvalidArgs")
    assert run_error(BOSS, "snapshot", ["/etc/x"], memory).endswith("InvalidArgs")
    assert run_error(BOSS, "rom", [DISK, "x"], file("/dev/null", os.O_WRONLY)).endswith("InvalidArgs")
    assert run_error(BOSS, "rom", [DISK, "x"], file(own, os.O_WRONLY)).endswith("InvalidArgs")
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as named:  # it has seals, as all files of a tmpfs
        os.chown(named.name, BOSS, BOSS)
        assert run_error(BOSS, "rom", [DISK, "x"], file(named.name, os.O_WRONLY)).endswith("InvalidArgs")
    assert "/job/" in run_error(BOSS, "rom", [DISK, "x"], memory)
    assert run_error(STRANGER, "rom", [DISK, "-"], none) == DENIED
    assert run_error(STRANGER, "snapshot", ["-"], none) == DENIED
    assert run_error(BOSS, "rom", [DISK, "-", "--from=/etc/shadow"], none).endswith("InvalidArgs")
    assert run_error(BOSS, "rom", [DISK, "-", "--from", "/etc/shadow"], none).endswith("InvalidArgs")


def memory():
    return {"file": dbus.types.UnixFd(os.memfd_create("file", os.MFD_CLOEXEC))}


def run_error(uid, verb, words, more):
    """Return: the path of a job, or the name of an error."""
    return ask(uid, lambda bus: str(manager(bus).Run(verb, dbus.Array(words, signature="s"), options(**more()))))


def test_run(service):
    """The devices of a user's own guest are lent for its time."""
    runtime = as_owner(service.folder / "runtime", MEMBER)
    kernel = service.folder / "kernel"
    shutil.copy(pathlib.Path(service.usher).parents[1] / "guest/brief", kernel)
    kernel.chmod(0o644)
    if not os.path.exists("/dev/kvm"):
        print("# no /dev/kvm")
        return
    service.daemon_restart("--memlock", "1G")
    before = LOG.stat().st_size if LOG.exists() else 0
    done = subprocess.run([service.usher, "run", "--name", "own", "--device", DISK, "--kernel", kernel, "--memory", "32M"],
                          user=MEMBER, group=MEMBER, extra_groups=[4000, os.stat("/dev/kvm").st_gid], cwd="/",
                          timeout=60, text=True, stdin=subprocess.DEVNULL, capture_output=True,
                          env={**os.environ, "XDG_RUNTIME_DIR": str(runtime), "USHER_VMM": "/bin/true"})
    # How much the user may lock is not this test's to raise everywhere.
    assert done.returncode in (0, 3) and f"{DISK}: e1000 -> vfio-pci" in done.stderr, done
    assert done.returncode == 0 or "may lock only" in done.stderr, done
    until(no_lease, "the end of a guest's lease")
    with open(LOG) as log:
        log.seek(before)
        told = [json.loads(line) for line in log]
    assert [one["event"] for one in told] == ["lent", "ended"], told


TESTS = [test_mute_keeper, test_late_keeper, test_signals, test_signals_of_a_lease, test_callers, test_run, test_guests,
         test_connection, test_files, test_snapshot, test_descriptors_of_others]
