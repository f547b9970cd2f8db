# SPDX-License-Identifier: MIT
"""What a client can ask of usherd beyond leases: for service.py."""
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import time

from stage_bus import *  # pylint: disable=wildcard-import,unused-wildcard-import

CLAIMS = pathlib.Path("/etc/usher/claims.d")
# A bind of one process is not seen by the next one, because each has devices of its own.
COMMANDS = """show DISK
show --json DISK
show DISK OTHER
show 0000:ff:00.0
show
leases
leases --json
bind DISK --dry-run
bind DISK --dry-run --json
bind DISK --id 1234:5678
bind DISK --timeout nonsense
bind DISK --wings
bind nosuchdevice
bind 0000:ff:00.0
bind
bind DISK OTHER --json
restore
restore --json
restore DISK --dry-run
release DISK
release DISK --dry-run
prove --dry-run DISK
prove DISK
vfs DISK
vfs DISK 2
vfs DISK many
revive DISK
revive DISK --dry-run
revive DISK --dry-run --json
claim DISK --dry-run
claim DISK
claims
unclaim DISK
unclaim DISK
unclaim nosuchclaim
apply --dry-run
stop nosuchguest
stop
stop --timeout x web
start nosuchguest
start -x
attach nosuchguest DISK
detach nosuchguest DISK
rom DISK
rom DISK --json
rom DISK -
rom DISK --from bar
rom DISK --from acpi --numeric
rom DISK --from nosuchfile
rom DISK a b
rom
lease --plan DISK
lease DISK -- sh -c 'exit 9'
lease DISK -- /no/such/program
lease DISK --key both --for 1h
lease DISK --key both
lease DISK --key both --json
lease OTHER --key both
lease --end --key both
lease --end --key both
revoke nosuchlease
bind --help
list DISK
check --list
check --list --wings
check
check DISK
check --json CARD
""".replace("DISK", DISK).replace("OTHER", OTHER).replace("CARD", CARD).splitlines()


def told(text):
    """Without what differs from run to run: process ids, times, and the user's part of a key."""
    text = re.sub(r"\b(process|keeper|PID)(\"?:? )\d+", r"\1\2N", text)
    text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d[+-]\d{4})?", "TIME", text)
    text = re.sub(r" +\d+\.\d ms", " MS", text)
    return re.sub(rf"\b{BOSS}\+", "", text)


def usher_says(service, line, uid):
    words = {"user": uid, "group": uid, "extra_groups": []} if uid else {}
    done = subprocess.run(["sh", "-c", f'exec "$0" {line}', service.usher], cwd="/", timeout=60,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, **words)
    assert not line.endswith("'exit 9'") or no_lease(), "the command's lease goes on"
    return done.returncode, told(done.stdout), told(done.stderr)


def test_verbs_both_ways(service):
    """The same command gives the same answer, to root and to a user by the daemon."""
    direct = [usher_says(service, line, 0) for line in COMMANDS]
    until(no_lease, "the end of all leases")
    begun = time.monotonic()
    by_daemon = [usher_says(service, line, BOSS) for line in COMMANDS]
    until(no_lease, "the end of all leases")
    print(f"# {len(COMMANDS)} commands by usherd: {time.monotonic() - begun:.1f} s")
    differ = []
    for line, one, two in zip(COMMANDS, direct, by_daemon):
        if line.endswith("'exit 9'"):
            # A client does not learn how the devices were reset.
            one, two = one[:2], two[:2]
        if one != two:
            differ.append(line)
            print(f"# {line}\n#   directly: {one}\n#   by usherd: {two}")
    assert not differ, differ
    assert len({status for status, _, _ in direct}) >= 4, "the list has few kinds of ends"


def test_front(service):
    """The small program that is installed as `usher` leaves an ordinary user's verb to usherd."""
    built = pathlib.Path(service.usher).parents[2] / "src/cli"
    if not built.joinpath("usher-whole").exists():  # `usher` itself is the whole one
        return
    folder = service.folder / "front"
    folder.mkdir()
    shutil.copy(built / "usher", folder)
    shutil.copy(service.usher, folder / "usher-whole")
    for verb in ("bind", "release", "restore"):
        line = f"{verb} {DISK} --dry-run"
        done = subprocess.run([folder / "usher", *line.split()], cwd="/", timeout=60, user=BINDER, group=BINDER,
                              extra_groups=[], stdin=subprocess.DEVNULL, capture_output=True, text=True)
        says = done.returncode, told(done.stdout), told(done.stderr)
        assert says == usher_says(service, line, BINDER), (says, usher_says(service, line, BINDER))
        # Of the three, polkit permits BINDER one.
        assert ("polkit" in says[2]) == (verb != "bind"), says
    front_stays(folder)


def front_stays(folder):
    """What usherd has root's `usher` do needs no other program, and no library."""
    folder.joinpath("usher-whole").write_text("#!/bin/sh\necho whole\n")
    nothing = "0000:ff:1f.7"
    for line, stays in ((f"bind {nothing} --json", True), (f"release {nothing} --timeout=5 --json", True),
                        (f"lease {nothing} --json --user=+5 --key=5+x --for=9 --memlock=1G", True),
                        (f"lease {nothing} --json --user=+5 --owner=1:2", True), ("lease --end --key=x", True),
                        (f"lease {nothing} --user=root --key=x", False), (f"lease {nothing} -- true", False),
                        (f"lease {nothing} --plan --json", False), (f"show {nothing}", False)):
        done = subprocess.run([folder / "usher", *line.split()], cwd="/", timeout=60, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True)
        assert (done.stdout != "whole\n") == stays, (line, done)


def test_own_guest(service):
    """A guest that an ordinary user has started or saved is no matter of usherd's."""
    run = service.folder / "own"
    run.joinpath("usher/vm/mine").mkdir(parents=True)
    for line, says in (("stop mine", "mine"), (f"detach mine {DISK}", "mine"), ("start mine", "is saved as")):
        done = subprocess.run([service.usher, *line.split()], cwd="/", timeout=60, user=STRANGER, group=STRANGER,
                              extra_groups=[], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              env={**os.environ, "XDG_RUNTIME_DIR": str(run), "USHER_GUESTS": str(run)})
        assert done.returncode and "polkit" not in done.stderr and says in done.stderr, (line, done)


def test_not_startable(service):
    """Where the bus cannot start usherd, as without systemd, it is as if there were none."""
    folder, path = service.folder / "services", service.folder / "bus-2"
    folder.mkdir()
    shutil.copy(service.top / "src/daemon/install/org.usher.Usher1.service", folder)
    text = (service.folder / "bus.conf").read_text().replace(str(service.folder / "bus"), str(path))
    conf = service.folder / "bus-2.conf"
    conf.write_text(text.replace("<policy", f"<servicedir>{folder}</servicedir><policy", 1))
    service.start(["dbus-daemon", f"--config-file={conf}", "--nofork"])
    until(lambda: accepts(path), "the bus")
    os.chmod(path, 0o666)
    done = subprocess.run([service.usher, "bind", DISK, "--dry-run"], cwd="/", timeout=60, user=BOSS, group=BOSS,
                          extra_groups=[], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          env={**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={path}"})
    assert done.returncode == 0 and "vfio-pci" in done.stdout, done


def test_without_daemon(service):
    """Where no usherd runs, the command does what it can by itself."""
    service.daemon_kill()
    try:
        status, out, _ = usher_says(service, f"show {DISK}", BOSS)
        assert status == 0 and DISK in out, (status, out)
        status, _, errors = usher_says(service, f"bind {DISK} --dry-run", BOSS)
        assert status == 0 and "usherd" not in errors, (status, errors)
        status, _, errors = usher_says(service, f"lease {DISK} --key k", BOSS)
        assert status == 125 and "usherd does not run" in errors, (status, errors)
    finally:
        service.daemon_start()


def test_words(service):
    """No user has root open a file, or act on a device that polkit was not asked about."""
    def error(verb, *words):
        return ask(BOSS, lambda bus: str(manager(bus).Run(verb, dbus.Array(words, signature="s"),
                                                          options())))

    for verb, words in (("show", ["--host", "/etc/shadow", DISK]), ("show", ["--host=/etc/shadow", DISK]),
                        ("show", ["--hos=/etc/shadow", DISK]), ("prove", [DISK, "--snapshot", "/etc/x"]),
                        ("bind", []), ("bind", ["--"]), ("bind", ["--json"]), ("run", ["/etc/passwd"]),
                        ("exec", ["true"]), ("start", ["web", "--disk", "/dev/sda"]), ("help", []),
                        ("unclaim", ["../../etc/passwd"]), ("stop", ["a", "b"]), ("apply", ["x"]),
                        ("leases", ["x"]), ("bind", [DISK, "--timeout"]), ("bind", ["-x", DISK])):
        assert error(verb, *words).endswith("InvalidArgs"), (verb, words)
    assert ask(BOSS, lambda bus: str(manager(bus).Bind([DISK], options(key="k")))).endswith("InvalidArgs")
    for key, value in (("key", dbus.UInt64(5)), ("for", "1h"), ("limit", "5"), ("timeout", dbus.Int32(5)),
                       ("force", "yes"), ("words", "--json"), ("output", "x"), ("file", "x")):
        method = "Lease" if key in ("key", "for") else "Bind"
        try:
            getattr(manager(connect()), method)([DISK], options(**{key: value}))
            raise AssertionError(key)
        except dbus.DBusException as said:
            assert said.get_dbus_message() == f"this option is of another type: '{key}'", said
    for word in ("nvme0n1", "nosuch", "../x", ""):
        assert error("bind", word) == ERROR + "NotFound", word
    assert error("bind", *["x" * 200] * 20).endswith("InvalidArgs")
    # A member may borrow disks, and no more.
    for verb, words in (("bind", [DISK]), ("show", [DISK]), ("start", ["web"]), ("leases", [])):
        call = lambda bus, v=verb, w=words: str(manager(bus).Run(  # noqa: E731
            v, dbus.Array(w, signature="s"), options()))
        assert ask(MEMBER, call) == DENIED, verb
    # Whoever may bind may not skip a check for that.
    assert ask(BINDER, lambda bus: job_result(bus, manager(bus).Bind([DISK], options(
        words=dbus.Array(["--dry-run"], signature="s"))))[0]) == "done"
    assert ask(BINDER, lambda bus: str(manager(bus).Bind([DISK], options(
        words=dbus.Array(["--dry-run", "--allow=use"], signature="s"))))) == DENIED
    # A rule can be about a claim's name, and finds the device of one that is there.
    unclaim = lambda *words: ask(BINDER, lambda bus: str(manager(bus).Unclaim(list(words), options())))  # noqa: E731
    assert "/job/" in unclaim("web"), unclaim("web")
    assert unclaim("other") == DENIED, unclaim("other")
    assert unclaim("web", "other") == DENIED and unclaim("web", DISK) == DENIED and unclaim("disk") == DENIED
    CLAIMS.mkdir(parents=True, exist_ok=True)
    made = subprocess.run([service.usher, "claim", DISK], cwd="/", check=True, capture_output=True)
    (CLAIMS / "disk.claim").write_text(next(CLAIMS.glob("*.claim")).read_text())
    for path in CLAIMS.glob("0*.claim"):
        path.unlink()
    until(lambda: not error_of(lambda: introspect_claim("disk")), "a claim")
    assert "/job/" in unclaim("disk"), made
    until(lambda: not (CLAIMS / "disk.claim").exists(), "the end of a claim")
    # A rule can be about the guest that gets a device.
    attach = lambda guest: ask(BINDER, lambda bus: str(manager(bus).Attach(guest, [DISK], options())))  # noqa: E731
    assert "/job/" in attach("web") and attach("other") == DENIED


def introspect_claim(name):
    return connect().get_object(NAME, object_path("claim", name), introspect=False).Introspect(
        dbus_interface="org.freedesktop.DBus.Introspectable")


def test_job_text(service):
    """A character that a running job has printed half is neither cut nor lost."""
    program, half = service.folder / "half", service.folder / "half-way"
    program.write_text(f"#!/bin/sh\n[ $1 = show ] || exec sleep 60\nprintf 'a\\303'; >{half}\n"
                       f"while [ -e {half} ]; do sleep 0.05; done\nprintf '\\251b'\n")
    program.chmod(0o755)
    service.daemon_restart("--usher", str(program))
    try:
        bus = connect()
        path = manager(bus).Run("show", dbus.Array([DISK], signature="s"), options())
        job = dbus.Interface(bus.get_object(NAME, path, introspect=False), NAME + ".Job")
        until(lambda: half.exists() and job.Result()[2] == "a", "the half of a text")
        half.unlink()
        assert job.Wait(byte_arrays=True)[2] == b"a\xc3\xa9b"
        assert job.Result()[2] == "a\u00e9b"
    finally:
        service.daemon_restart()


def test_job_waits(service):
    """Wait is answered at the end, by bytes; nobody else gets it."""
    bus = connect()
    path = manager(bus).Run("show", dbus.Array(["--json", DISK], signature="s"), options())
    job = dbus.Interface(bus.get_object(NAME, path, introspect=False), NAME + ".Job")
    state, status, output, errors = job.Wait(byte_arrays=True)
    assert (state, status, bytes(errors)) == ("done", 0, b""), (state, status, errors)
    direct = subprocess.run([service.usher, "show", "--json", DISK], stdout=subprocess.PIPE, check=True)
    assert bytes(output) == direct.stdout
    assert ask(STRANGER, lambda b: dbus.Interface(b.get_object(NAME, path, introspect=False),
                                                  NAME + ".Job").Wait()) == DENIED
    # The last line that it has printed, for whoever asked.
    path = manager(bus).Run("bind", dbus.Array(["0000:ff:00.0"], signature="s"), options())
    until(lambda: job_result(bus, path)[0] == "failed", "the end of a job")
    said = job_result(bus, path)[3].strip().splitlines()[-1]
    get = lambda b: str(dbus.Interface(b.get_object(NAME, path, introspect=False),  # noqa: E731
                                       "org.freedesktop.DBus.Properties").Get(NAME + ".Job", "Progress"))
    assert get(bus) == said, (get(bus), said)
    assert ask(STRANGER, get) == ""


def test_job_ends(service):
    """A job is cancelled, or told to end when its time is over; a lease is given back then."""
    holder = lease(connect(), [DISK], key="slow")[2]
    bus = connect()
    # Its holder is this process, of root, which the keeper waits for.
    path = manager(bus).Revoke("slow", options(timeout=dbus.UInt64(60)))
    job = dbus.Interface(bus.get_object(NAME, path, introspect=False), NAME + ".Job")
    state = lambda: dbus.Interface(  # noqa: E731
        bus.get_object(NAME, object_path("lease", "slow"), introspect=False),
        "org.freedesktop.DBus.Properties").Get(NAME + ".Lease", "State")
    until(lambda: state() == "stopping", "the revocation to begin")
    job.Cancel()
    assert job.Wait()[0] == "cancelled"
    path = manager(bus).Revoke("slow", options(timeout=dbus.UInt64(60), limit=dbus.UInt64(1)))
    job = dbus.Interface(bus.get_object(NAME, path, introspect=False), NAME + ".Job")
    assert job.Wait()[0] == "timeout"
    assert LEASES.joinpath("slow").exists()
    waits = lambda b: str(dbus.Interface(b.get_object(  # noqa: E731
        NAME, object_path("lease", "slow"), introspect=False), NAME + ".Lease").Wait())
    assert ask(STRANGER, waits) == DENIED
    for fd in holder.values():
        os.close(fd)
    until(no_lease, "the end of a lease")


def job_of_long_output(service):
    """What a job has printed that ends while usherd does not run."""
    bus = connect()
    path = manager(bus).Run("show", dbus.Array([DISK], signature="s"), options())
    job = dbus.Interface(bus.get_object(NAME, path, introspect=False), NAME + ".Job")
    pid = service.daemon.pid
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
    os.kill(pid, signal.SIGSTOP)
    # What usherd reads from the bus just before that leaves an errno behind.
    bus.send_message(dbus.lowlevel.MethodCallMessage(NAME, path, NAME + ".Job", "Result"))
    bus.flush()
    states = lambda: [pathlib.Path(f"/proc/{child}/stat").read_text().split(") ")[1][0]  # noqa: E731
                      for child in children.read_text().split()]
    until(lambda: set(states()) == {"Z"}, "the end of a job")
    os.kill(pid, signal.SIGCONT)
    return job.Wait(byte_arrays=True)[2]


def test_job_output(service):
    """All that a job has printed arrives, also what is still in the pipe when it has ended."""
    program = service.folder / "long"
    program.write_text("#!/bin/sh\n[ $1 = show ] || exit 0\n"
                       "sleep 0.2\nhead -c 60000 /dev/zero | tr '\\000' x\n")
    program.chmod(0o755)
    service.daemon_restart("--usher", str(program))
    try:
        found = [len(job_of_long_output(service)) for _ in range(6)]
        assert found == [60000] * 6, found
    finally:
        service.daemon_restart()


def test_claims(service):
    """A claim is an object, which comes and goes with its file."""
    bus = connect()
    assert job_result(bus, manager(bus).Claim([DISK], options()))[:2] == ("done", 0)

    def claims():
        objects = dbus.Interface(bus.get_object(NAME, ROOT, introspect=False),
                                 "org.freedesktop.DBus.ObjectManager").GetManagedObjects()
        return {str(path): one[NAME + ".Claim"] for path, one in objects.items() if NAME + ".Claim" in one}

    until(lambda: len(claims()) == 1, "a claim")
    (claim,) = claims().values()
    assert (claim["Address"], claim["State"]) == (DISK, "at"), claim
    assert claim["Device"] == object_path("device", DISK), claim
    assert job_result(bus, manager(bus).Unclaim([DISK], options()))[:2] == ("done", 0)
    until(lambda: not claims(), "the end of a claim")


def test_list(service):
    """List has what the object manager has of devices."""
    bus = connect()
    objects = dbus.Interface(bus.get_object(NAME, ROOT, introspect=False),
                             "org.freedesktop.DBus.ObjectManager").GetManagedObjects()
    devices = {path: one[NAME + ".Device"] for path, one in objects.items() if NAME + ".Device" in one}
    assert len(devices) == 6 and manager(bus).List() == devices


def test_asked_again(service):
    """A process that asks again for what it has gets it again; a lost answer costs nothing."""
    def twice(bus):
        first, _, fds = lease(bus, [DISK, OTHER])
        second, _, again = lease(connect(), [OTHER, DISK])
        same = [os.path.sameopenfile(fds[name], again[name]) for name in fds]
        return first == second, same, error_of(lambda: lease(bus, [DISK]))

    assert ask(MEMBER, twice) == [True, [True] * 3, ERROR + "Refused"]
    until(no_lease, "the end of a lease")


def test_group_of_four(service):
    """A group goes as a whole: a write that fails in the middle leaves nothing behind."""
    service.daemon_restart(STAND_IN_GROUP="4")
    try:
        bus = connect()
        group = dbus.Interface(bus.get_object(NAME, object_path("group", "1"), introspect=False),
                               "org.freedesktop.DBus.Properties").Get(NAME + ".Group", "Members")
        assert len(group) == 4, group
        # The example's rule is for devices that are alone.
        assert ask(MEMBER, lambda b: lease(b, [DISK])[0]) == DENIED
        assert ask(BOSS, lambda b: lease(b, [DISK])[0]).startswith("lease-")
        until(no_lease, "the end of a lease")
        for number in range(1, 14):
            service.daemon_restart(STAND_IN_GROUP="4", STAND_IN_FAIL=str(number))
            answer = ask(BOSS, lambda b: lease(b, [DISK])[0])
            until(no_lease, "the end of a lease")
            if number == 3:
                os.environ.update(STAND_IN_GROUP="4", STAND_IN_FAIL="3")
                says = [usher_says(service, f"lease {DISK} --key four", uid) for uid in (0, BOSS)]
                del os.environ["STAND_IN_GROUP"], os.environ["STAND_IN_FAIL"]
                assert says[0] == says[1] and "usher: " in says[0][2], says
            if not answer.startswith(ERROR):
                break  # the write that fails is one of the return
            left = list(pathlib.Path("/run/usher/journal").glob("*"))
            assert not left, (number, answer, left)
        assert number > 4, number
    finally:
        service.daemon_restart()
    subprocess.run([service.usher, "restore"], check=True, stderr=subprocess.DEVNULL)


def test_passed_on(service):
    """A borrower passes a descriptor on to another user: that process is named, not killed."""
    here, there = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        die_with_parent()
        os.setresuid(STRANGER, STRANGER, STRANGER)
        _, fds, _, _ = socket.recv_fds(there, 1, 1)
        there.sendall(b"%d" % len(fds))
        while True:
            signal.pause()

    def pass_on(bus):
        name, _, fds = lease(bus, [DISK])
        socket.send_fds(here, [b"x"], [fds[DISK]])
        assert here.recv(1) == b"1"
        return name

    try:
        with as_user(MEMBER, pass_on) as (name, _):
            bus = connect()
            state, status, _, errors = job_result(
                bus, manager(bus).Revoke(name, options(timeout=dbus.UInt64(0))))
            assert (state, status) == ("failed", 1), (state, status, errors)
            assert f"(process {pid})" in errors, errors
            assert os.waitpid(pid, os.WNOHANG) == (0, 0), "a process of another user was killed"
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    until(lambda: restored(service), "the return of the disk")
    log = [json.loads(line) for line in LOG.read_text().splitlines()]
    told_of = [(one["event"], one["devices"]) for one in log if one["lease"] == name]
    assert told_of == [("lent", [DISK]), ("ended", [DISK]), ("restored", [DISK])], told_of


def test_client_is_stuck(service):
    """A command leaves its descriptor to another user: the client says that the device stays."""
    path = "/run/usher/passed"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(path)
        os.chmod(path, 0o666)
        server.listen()
        pid = os.fork()
        if pid == 0:
            die_with_parent()
            os.setresuid(STRANGER, STRANGER, STRANGER)
            client = server.accept()[0]
            socket.recv_fds(client, 1, 1)
            client.sendall(b"k")
            while True:
                signal.pause()
        script = ("import os, socket, re; fd = int(re.search(r'none,([0-9]+)', os.environ['USHER_DEVICE'])[1]); "
                  f"s = socket.socket(socket.AF_UNIX); s.connect('{path}'); "
                  "socket.send_fds(s, [b'x'], [fd]); s.recv(1)")
        try:
            done = subprocess.run([service.usher, "lease", "--quiet", DISK, "--", "python3", "-c", script],
                                  user=MEMBER, group=MEMBER, extra_groups=[4000], cwd="/", timeout=60,
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True)
            assert done.returncode == 125, done
            assert f"(process {pid})" in done.stderr and "hint: end it" in done.stderr, done
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    os.unlink(path)
    until(lambda: restored(service), "the return of the disk")


def restored(service):
    subprocess.run([service.usher, "restore"], check=True, stderr=subprocess.DEVNULL)
    return not list(pathlib.Path("/run/usher/journal").glob("*"))


def test_many(service):
    """1,000 devices of a snapshot and 200 leases, through the live service."""
    snapshot = service.folder / "many.host"
    snapshot.write_text(snapshot_of(1000))
    keepers = keepers_start(200)
    try:
        service.daemon_restart("--host", str(snapshot))
        bus = connect()
        objects = lambda: dbus.Interface(  # noqa: E731
            bus.get_object(NAME, ROOT, introspect=False),
            "org.freedesktop.DBus.ObjectManager").GetManagedObjects()
        until(lambda: sum(NAME + ".Lease" in one for one in objects().values()) == 200, "200 leases")
        found = objects()
        devices = {path: one[NAME + ".Device"] for path, one in found.items() if NAME + ".Device" in one}
        assert len(devices) == 1000 and manager(bus).List() == devices
        assert sum(NAME + ".Group" in one for one in found.values()) == 500
        lent = [one for one in devices.values() if one["Holder"] != "/"]
        assert len(lent) == 400, len(lent)
        assert devices[object_path("device", address_of(399))]["Holder"] == object_path("lease", "many-199")
        assert ask(MEMBER, lambda b: lease(b, [address_of(3)])[0]) == DENIED
        status = pathlib.Path(f"/proc/{service.daemon.pid}/smaps_rollup").read_text()
        print("#", re.search(r"Pss: +(\d+) kB", status)[0])
    finally:
        os.kill(keepers, signal.SIGKILL)
        os.waitpid(keepers, 0)
        for folder in LEASES.glob("many-*"):
            shutil.rmtree(folder)
        service.daemon_restart()


def wild_value(dice, depth=0):
    kind = dice.randrange(8 if depth < 3 else 6)
    if kind == 0:
        return "".join(chr(dice.choice((45, 46, 47, 48, 97, 0x20ac))) for _ in range(dice.randrange(90)))
    if kind == 1:
        return dbus.UInt64(dice.getrandbits(64))
    if kind == 2:
        return dbus.Int32(dice.getrandbits(31) - dice.getrandbits(30))
    if kind == 3:
        return dbus.Boolean(dice.random() < 0.5)
    if kind == 4:
        return dice.choice((DISK, OTHER, CARD, "k", "web", "--host", "--json", "bind", "show"))
    if kind == 5:
        return dbus.ObjectPath(dice.choice(("/", ROOT, ROOT + "/job/1", ROOT + "/lease/k")))
    if kind == 6:
        return dbus.Array([str(wild_value(dice, 9)) for _ in range(dice.randrange(4))], signature="s")
    return dbus.Dictionary({dice.choice(("key", "for", "timeout", "force", "words", "limit", "x")):
                            wild_value(dice, depth + 1) for _ in range(dice.randrange(5))},
                           signature="sv")


def test_wild_messages(service):
    """Messages of any kind, from a user who may do nothing: the same daemon answers afterwards."""
    pid = service.daemon.pid
    methods = ["Plan", "Bind", "Release", "Claim", "Prove", "Lease", "Return", "Revoke", "Run", "Start",
               "Stop", "Attach", "Detach", "List", "Result", "Wait", "Cancel", "Nothing"]

    def send(bus):
        dice = random.Random(4)
        sent = 0
        for _ in range(3000):
            path = dice.choice((ROOT, ROOT, ROOT + "/job/1", ROOT + "/host", ROOT + "/device/x",
                                object_path("device", DISK), ROOT + "/claim/_", "/"))
            interface = NAME + dice.choice((".Manager", ".Manager", ".Job", ".Lease", ".X"))
            message = dbus.lowlevel.MethodCallMessage(NAME, path, interface, dice.choice(methods))
            message.set_no_reply(dice.random() < 0.8)
            try:
                message.append(*[wild_value(dice) for _ in range(dice.randrange(4))])
            except (TypeError, ValueError, OverflowError):
                continue
            bus.send_message(message)
            sent += 1
            if sent % 100 == 0:
                bus.flush()
        bus.flush()
        return sent

    assert ask(STRANGER, send) > 2000
    assert manager(connect()).Return("nothing") == "/"
    assert service.daemon.poll() is None and service.daemon.pid == pid, "usherd has ended"
    assert no_lease()


TESTS = [test_verbs_both_ways, test_front, test_own_guest, test_not_startable, test_without_daemon, test_words, test_job_waits, test_job_ends, test_job_output, test_job_text, test_claims,
         test_list, test_asked_again, test_group_of_four, test_passed_on, test_client_is_stuck, test_many, test_wild_messages]
