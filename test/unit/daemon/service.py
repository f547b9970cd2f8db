#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""usherd on a private bus, with the real dbus-daemon and polkitd, in a mount namespace of its own.

    service.py USHERD USHER TOP [KILLS [NAME]]

USHERD and USHER are built around devices in memory (stand_in.c). KILLS: how often the daemon is
killed among borrowers (default: 8). NAME: of other tests, only those whose name contains it.
"""
import collections
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree as ET

import hostile
import matrix
import others
from stage_bus import *  # pylint: disable=wildcard-import,unused-wildcard-import


def test_without_polkit(service):
    """Without polkit, root alone."""
    assert ask(STRANGER, lambda bus: lease(bus, [DISK])[:2]) == DENIED
    name, texts, fds = lease(connect(), [DISK], key="root")
    assert (name, texts) == ("root", {"container": "container", DISK: DISK}), (name, texts)
    for fd in fds.values():
        os.close(fd)
    bus = connect()
    assert job_result(bus, manager(bus).Return("root"))[:2] == ("done", 0)
    # usherd hears of the end by the keeper's socket.
    until(lambda: manager(bus).Return("root") == "/", "a lease that is gone")
    assert no_lease()


def test_authorisation(service):
    """Who may do what, on which device."""
    def borrow(*devices):
        return lambda bus: lease(bus, list(devices))[:2]

    answer = ask(MEMBER, borrow(DISK))
    assert isinstance(answer, list), answer
    assert answer[1] == {"container": "container", DISK: DISK}, answer
    assert ask(MEMBER, borrow(CARD)) == DENIED
    assert ask(MEMBER, borrow(DISK, CARD)) == DENIED
    assert ask(STRANGER, borrow(DISK)) == DENIED
    assert ask(MEMBER, borrow("0000:ff:00.0")) == ERROR + "NotFound"
    assert ask(MEMBER, borrow("../../etc")) == ERROR + "NotFound"
    for method in ("Bind", "Release", "Claim"):
        call = lambda bus, m=method: getattr(manager(bus), m)([DISK], options())  # noqa: E731
        assert ask(MEMBER, call) == DENIED, method
    until(no_lease, "the end of all leases")


def test_descriptors(service):
    """They go to the borrower, and its end is the lease's."""
    def borrow(bus):
        name, texts, fds = lease(bus, [DISK, OTHER])
        return name, texts, [os.stat(fd).st_ino for fd in fds.values()]

    with as_user(MEMBER, borrow) as ((name, texts, files), pid):
        assert texts == {"container": "container", DISK: DISK, OTHER: OTHER}, texts
        bus = connect()
        # usherd closes its own after the message, which the borrower may have before that.
        until(lambda: "model_usherd" not in programs_with(files), "usherd's end of the descriptors")
        programs = programs_with(files)
        assert len(programs) == 2 and "usher-lease" in programs, programs
        # Others see who has it, and may not end it.
        objects = dbus.Interface(bus.get_object(NAME, ROOT, introspect=False),
                                 "org.freedesktop.DBus.ObjectManager").GetManagedObjects()
        of = objects[object_path("lease", name)][NAME + ".Lease"]
        assert (of["User"], of["Process"]) == (MEMBER, pid), of
        holder = objects[object_path("device", DISK)][NAME + ".Device"]["Holder"]
        assert holder == object_path("lease", name), holder
        assert ask(STRANGER, lambda b: manager(b).Return(name)) == DENIED
        assert ask(STRANGER, lambda b: manager(b).Revoke(name, options())) == DENIED
        assert ask(MEMBER, lambda b: lease(b, [DISK])[:2]) == ERROR + "Refused"
        os.kill(pid, signal.SIGKILL)
        until(no_lease, "the end of a killed borrower's lease")


def has_open(process, files):
    try:
        return any(os.stat(fd).st_ino in files and "memfd:model" in os.readlink(fd)
                   for fd in (process / "fd").iterdir())
    except OSError:
        return False


def programs_with(files):
    """Names of the processes that have one of the files open."""
    names = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            name = (process / "comm").read_text().strip()
        except OSError:  # it has ended
            continue
        if has_open(process, files):
            names.append(name)
    return sorted(names)


def test_keys(service):
    """The same key is the same lease; of another user it is another one."""
    def twice(bus):
        first = lease(bus, [DISK], key="k")[0]
        return first, lease(bus, [DISK], key="k")[0]

    def end(bus):
        return str(manager(bus).Return("k"))

    assert ask(MEMBER, twice) == [f"{MEMBER}+k"] * 2
    assert LEASES.joinpath(f"{MEMBER}+k").exists()
    bus = connect()
    assert error_of(lambda: lease(bus, [OTHER], key="a+b")).endswith("InvalidArgs")
    assert ask(MEMBER, lambda b: lease(b, [DISK], key="../x")[:2]).endswith("InvalidArgs")
    assert ask(MEMBER, lambda b: lease(b, [OTHER], key="k")[:2]) == ERROR + "Refused"
    assert ask(STRANGER, end) == "/"
    assert ask(MEMBER, end) != "/"
    until(no_lease, "the end of a lease that was given back")
    until(lambda: ask(MEMBER, end) == "/", "a lease that is gone")


def test_key_of_another_name(service):
    """A lease that has the name of somebody's key is not in the way of that key."""
    name, _, fds = lease(connect(), [OTHER], key="k")
    for fd in fds.values():
        os.close(fd)
    assert ask(MEMBER, lambda bus: lease(bus, [DISK], key="k")[0]) == f"{MEMBER}+k"
    assert ask(MEMBER, lambda bus: str(manager(bus).Return("k"))) != "/"
    until(lambda: not LEASES.joinpath(f"{MEMBER}+k").exists(), "the end of a user's lease")
    assert LEASES.joinpath(name).exists()
    assert ask(MEMBER, lambda bus: str(manager(bus).Return("k"))) == DENIED
    bus = connect()
    assert job_result(bus, manager(bus).Return("k"))[:2] == ("done", 0)
    assert no_lease()


def test_name_of_another_lease(service):
    """A lease without a key has the process id of `usher` in its name, and ids are used again."""
    run = [service.usher, "lease", DISK]
    subprocess.run([*run, "--key", "lease-1", "--quiet"], check=True)
    done = subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", *run, "--owner", "1", "--json"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (125, ""), done
    assert "there is a lease 'lease-1'" in done.stderr, done
    subprocess.run([service.usher, "lease", "--end", "--key", "lease-1"], check=True)
    assert no_lease()


def test_owner(service):
    """The lease of a process is its real user's, also of one whose /proc is root's."""
    pid = os.fork()
    if pid == 0:
        die_with_parent()
        os.setresuid(STRANGER, 0, 0)
        while True:
            signal.pause()
    until(lambda: f"Uid:\t{STRANGER}" in pathlib.Path(f"/proc/{pid}/status").read_text(), "a process")
    assert os.stat(f"/proc/{pid}").st_uid == 0
    subprocess.run([service.usher, "lease", DISK, "--owner", str(pid), "--quiet"], check=True)
    told = subprocess.run([service.usher, "leases", "--json"], check=True, stdout=subprocess.PIPE)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert [one["user"] for one in json.loads(told.stdout)["leases"]] == [STRANGER], told
    until(no_lease, "the end of a process's lease")


def test_bounds(service):
    """Nobody makes the daemon hold many requests or jobs, or takes the room of others."""
    def many(bus):
        for _ in range(40):
            message = dbus.lowlevel.MethodCallMessage(NAME, ROOT, NAME + ".Manager", "Lease")
            message.append([DISK], {}, signature="asa{sv}")
            bus.send_message(message)
        return lease(bus, [DISK])[0]

    os.kill(service.polkit.pid, signal.SIGSTOP)
    try:
        assert ask(STRANGER, many) == ERROR + "Busy"
    finally:
        os.kill(service.polkit.pid, signal.SIGCONT)

    def plans(bus):
        return [job_result(bus, manager(bus).Plan([DISK], options()))[0] for _ in range(70)]

    assert ask(MEMBER, plans) == ["done"] * 70
    objects = dbus.Interface(connect().get_object(NAME, ROOT, introspect=False),
                             "org.freedesktop.DBus.ObjectManager").GetManagedObjects()
    jobs = [one for one in objects.values() if one.get(NAME + ".Job", {}).get("User") == MEMBER]
    assert 0 < len(jobs) <= 16, len(jobs)


def test_revoke(service):
    """The administrator takes a disk back from who does not let go."""
    with as_user(MEMBER, lambda bus: lease(bus, [DISK])[0]) as (name, pid):
        bus = connect()
        path = manager(bus).Revoke(name, options(timeout=dbus.UInt64(0)))
        assert job_result(bus, path)[:2] == ("done", 0)
        assert no_lease()
        assert os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT).si_status == signal.SIGKILL
    assert error_of(lambda: manager(bus).Revoke(name, options())) == ERROR + "NotFound"


def usher_as(uid, service, *words):
    """Return: exit status, and what it printed."""
    done = subprocess.run([service.usher, *words], user=uid, group=uid, cwd="/",
                          extra_groups=[4000] if uid == MEMBER else [], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    return done.returncode, done.stdout


def test_client(service):
    """`usher` of an ordinary user has the daemon lend."""
    script = 'echo "$USHER_DEVICE"; exit 7'
    status, text = usher_as(MEMBER, service, "lease", "--quiet", DISK, "--", "sh", "-c", script)
    assert status == 7 and re.fullmatch(DISK + r"=fd:\d+,none,\d+\n", text), (status, text)
    until(no_lease, "the end of a command's lease")
    status, text = usher_as(MEMBER, service, "lease", DISK, "--key", "c", "--for", "1h", "--json",
                            "--quiet")
    assert status == 0 and json.loads(text)["lease"] == f"{MEMBER}+c", text
    status, text = usher_as(MEMBER, service, "lease", DISK, "--key", "c")
    assert status == 0, text
    # Whose it is, everybody sees, as on the bus.
    for line in (["leases"], ["leases", "--json"]):
        seen = [usher_as(uid, service, *line) for uid in (0, MEMBER, STRANGER)]
        assert seen[0] == seen[1] == seen[2] and DISK in seen[0][1], seen
    status, text = usher_as(MEMBER, service, "lease", OTHER, "--key", "c")
    assert status == 3 and "has other devices" in text, text
    status, text = usher_as(STRANGER, service, "revoke", f"{MEMBER}+c")
    assert status == 1 and "polkit" in text, text
    for _ in range(2):
        status, text = usher_as(MEMBER, service, "lease", "--end", "--key", "c")
        assert (status, text) == (0, ""), (status, text)
    assert no_lease()
    for uid, device in ((MEMBER, CARD), (STRANGER, DISK)):
        status, text = usher_as(uid, service, "lease", device, "--", "true")
        assert status == 125 and "polkit wants a password" in text, text
    status, text = usher_as(MEMBER, service, "lease", DISK, "--user", "root", "--", "true")
    assert status == 2 and "are for root" in text, text
    for key, why in (("a+b", "has a '+'"), ("k" * 37, "longer than 36")):
        status, text = usher_as(MEMBER, service, "lease", DISK, "--key", key)
        assert status == 2 and why in text, text
    assert usher_as(MEMBER, service, "lease", DISK, "--", "/no/such/program")[0] == 127


def test_killed_keeper(service):
    """Whoever waits for a lease hears that its keeper was killed, and so does who lists the leases."""
    script = "echo begun; read -r _"
    client = subprocess.Popen([service.usher, "lease", "--quiet", DISK, "--", "sh", "-c", script], user=MEMBER,
                              group=MEMBER, extra_groups=[4000], cwd="/", stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert client.stdout.readline() == "begun\n"
    (folder,) = LEASES.iterdir()
    keeper = int(folder.joinpath("keeper").read_text())
    os.kill(keeper, signal.SIGKILL)
    until(lambda: not os.path.exists(f"/proc/{keeper}"), "the end of a keeper")
    for uid in (0, STRANGER):
        status, text = usher_as(uid, service, "leases")
        assert status == 0 and "its keeper was killed" in text, text
    until(lambda: ask(0, lambda bus: error_of(lambda: manager(bus).Revoke(folder.name, options()))) ==
          ERROR + "NotFound", "the end of the lease on the bus")
    _, errors = client.communicate("\n", timeout=10)
    assert client.returncode == 125, (client.returncode, errors)
    assert f"'{folder.name}' has not ended" in errors and "usher restore" in errors, errors
    subprocess.run([service.usher, "restore"], check=True, stderr=subprocess.DEVNULL)
    assert no_lease()
    entries = [json.loads(line) for line in LOG.read_text().splitlines()]
    assert [one["event"] for one in entries if one["lease"] == folder.name] == ["lent", "restored"], entries


def test_jobs(service):
    """A plan is a job, and its output is for who asked for it."""
    bus = connect()
    path = manager(bus).Plan([DISK], options())
    state, status, output, _ = job_result(bus, path)
    assert (state, status) == ("done", 0) and json.loads(output)["possible"], (state, output)
    assert ask(STRANGER, lambda b: job_result(b, path)) == DENIED
    assert error_of(lambda: manager(bus).Plan([DISK], options(wings=True))).endswith("InvalidArgs")
    assert error_of(lambda: manager(bus).Plan(dbus.Array([], signature="s"), options())).endswith("InvalidArgs")


def test_deaf_client(service):
    """A client that never reads holds up nobody."""
    deaf = connect()
    for _ in range(100):
        message = dbus.lowlevel.MethodCallMessage(
            NAME, ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
        deaf.send_message(message)
    begun = time.monotonic()
    assert manager(connect()).Return("nothing") == "/"
    took = time.monotonic() - begun
    assert took < 20, took
    deaf.close()


def test_introspection(service):
    """The interfaces are as docs/org.usher.Usher1.xml has them."""
    name, _, fds = lease(connect(), [DISK], key="seen")
    for fd in fds.values():
        os.close(fd)
    bus = connect()
    job = manager(bus).Plan([DISK], options())
    guest = guest_start("web")
    until(lambda: not error_of(lambda: introspect(bus, object_path("guest", "web"))), "a guest")
    found = {}
    for path in (ROOT, ROOT + "/host", object_path("device", DISK), object_path("group", "1"),
                 object_path("lease", name), object_path("guest", "web"), job):
        for one in ET.fromstring(introspect(bus, path)).findall("interface"):
            if one.get("name").startswith(NAME):
                found[one.get("name")] = canonical(one)
    file = service.top / "docs/org.usher.Usher1.xml"
    if "UPDATE" in os.environ:
        file.write_text(document(found))
    told = {one.get("name"): canonical(one) for one in ET.parse(file).getroot().findall("interface")}
    for interface in sorted(set(found) | set(told)):
        assert found.get(interface) == told.get(interface), f"{interface} differs"
    # The guest gets another device while it runs.
    holder = lambda device: dbus.Interface(  # noqa: E731
        bus.get_object(NAME, object_path("device", device), introspect=False),
        "org.freedesktop.DBus.Properties").Get(NAME + ".Device", "Holder")
    assert holder(CARD) == "/"
    os.kill(guest, signal.SIGUSR1)
    until(lambda: holder(CARD) == object_path("guest", "web"), "a device that was attached")
    version = dbus.Interface(bus.get_object(NAME, ROOT, introspect=False),
                             "org.freedesktop.DBus.Properties").Get(NAME + ".Manager", "ApiVersion")
    assert version == 1, version
    manager(bus).Return("seen")
    until(no_lease, "the end of a lease")
    os.kill(guest, signal.SIGKILL)
    os.waitpid(guest, 0)
    until(lambda: error_of(lambda: introspect(bus, object_path("guest", "web"))), "no guest")


def introspect(bus, path):
    return bus.get_object(NAME, path, introspect=False).Introspect(
        dbus_interface="org.freedesktop.DBus.Introspectable")


def guest_start(name):
    """A guest's keeper: a process that answers at its control socket. Return: its id."""
    folder = pathlib.Path("/run/usher/vm") / name
    folder.mkdir(parents=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(folder / "control"))
    listener.listen()
    pid = os.fork()
    if pid:
        listener.close()
        return pid
    die_with_parent()
    end_after(lambda: guest_serve(listener, name))


def guest_serve(listener, name):
    """Its devices are one more at each signal, and its clients are told."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    devices, clients = [OTHER], []
    # usherd is one client, its monitor of faults another.
    threading.Thread(target=clients_serve, args=(listener, name, devices, clients), daemon=True).start()
    while signal.sigwait([signal.SIGUSR1]):
        devices.append(CARD)
        for client in clients:
            with contextlib.suppress(BrokenPipeError):  # one that has gone
                client.sendall(b'{"event":"attached","message":"' + CARD.encode() + b'"}\n')


def clients_serve(listener, name, devices, clients):
    while True:
        client = listener.accept()[0]
        clients.append(client)
        threading.Thread(target=client_serve, args=(client, name, devices), daemon=True).start()


def client_serve(client, name, devices):
    client.sendall(b'{"protocol":1,"usher":"0","guest":"web"}\n')
    for line in client.makefile():
        state = {"ok": True}
        if "state" in line:
            state.update(name=name, engine="usher", state="running", keeper=1, devices=devices)
        client.sendall(json.dumps(state).encode() + b"\n")


def canonical(interface):
    interface.tail = None
    for one in interface.iter():
        one.text = one.text if len(one) else None
    ET.indent(interface, "\t")
    return ET.tostring(interface, encoding="unicode").strip()


def document(found):
    body = "\n".join("\t" + found[name].replace("\n", "\n\t") for name in sorted(found))
    return f"<node>\n{body}\n</node>\n"


STOP = pathlib.Path("/run/usher/stop")  # the borrowers end


def ask_until(over, call):
    """Asks again and again while the daemon is away. Return: the answer; None: refused, or it is over."""
    while not over():
        try:
            return call()
        except dbus.DBusException as error:
            if error.get_dbus_name() in (ERROR + "Refused", ERROR + "Failed", DENIED):
                return None
            time.sleep(0.02)
    return None


def borrow_once(dice, key):
    """One life of a borrower, in a process of its own. Return: whether all was as it should be."""
    words = {"key": key} if dice.random() < 0.5 else {}
    disk = f"0000:02:00.{dice.randint(1, 5)}"
    took = ask_until(STOP.exists, lambda: lease(connect(), [disk], **words))
    if not took:
        return True
    time.sleep(dice.random() * 0.1)
    if words:
        # It is still there, and the same one.
        again = ask_until(STOP.exists, lambda: lease(connect(), [disk], **words))
        if again and not os.path.sameopenfile(took[2][disk], again[2][disk]):
            return False
        close_all(again[2] if again else {})
        close_all(took[2])
        ask_until(STOP.exists, lambda: manager(connect()).Return(key))
    elif dice.random() < 0.3:
        os.kill(os.getpid(), signal.SIGKILL)
    return True


def borrower_main(seed):
    """Borrows again and again, whatever the daemon does; then gives back what it has by a key."""
    os.setgroups([4000])
    os.setresgid(MEMBER, MEMBER, MEMBER)
    os.setresuid(MEMBER, MEMBER, MEMBER)
    dice = random.Random(seed)
    key = f"b{seed}"
    while not STOP.exists():
        pid = os.fork()
        if pid == 0:
            end_after(lambda: borrow_once(random.Random(dice.random()), key) or os._exit(3))
        if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) not in (0, -signal.SIGKILL):
            os._exit(3)
        dice.random()
    limit = time.monotonic() + 60
    ask_until(lambda: time.monotonic() > limit, lambda: manager(connect()).Return(key))


def close_all(fds):
    for fd in fds.values():
        os.close(fd)


def test_killed(service, kills):
    """The daemon is killed at any moment among borrowers: every lease is accounted for."""
    logged = LOG.stat().st_size if LOG.exists() else 0
    dice = random.Random(kills)
    pids = []
    for seed in range(BORROWERS):
        pid = os.fork()
        if pid == 0:
            end_after(lambda s=seed: borrower_main(s))
        pids.append(pid)
    size = logged
    for _ in range(kills):
        # A daemon that is killed all the time lends nothing, which would prove nothing.
        until(lambda: LOG.exists() and LOG.stat().st_size > size, "a lease")
        time.sleep(dice.random() * 0.3)
        size = LOG.stat().st_size
        service.daemon_kill()
        service.daemon_start()
    STOP.touch()
    ends = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
    assert not any(ends), f"a lease was lost: {ends}"
    STOP.unlink()
    for path in list(LEASES.glob("*")):  # of borrowers that were killed with their key
        subprocess.run([service.usher, "lease", "--end", "--key", path.name], check=True)
    until(no_lease, "the end of all leases", 60)
    assert not list(pathlib.Path("/run/usher/journal").glob("*")), "the journal is not empty"
    balance = collections.Counter()
    count = 0
    log = open(LOG)
    log.seek(logged)
    for line in log:
        entry = json.loads(line)
        balance[entry["lease"]] += 1 if entry["event"] == "lent" else -1
        count += entry["event"] == "lent"
        assert "stuck" not in entry, entry
    assert not any(balance.values()), balance
    assert count >= kills, f"only {count} leases"
    print(f"# {count} leases, {kills} kills")


def main():
    top = pathlib.Path(sys.argv[3])
    kills = int(sys.argv[4]) if len(sys.argv) > 4 else 8
    wanted = sys.argv[5] if len(sys.argv) > 5 else ""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="usher-bus-"))
    os.chmod(folder, 0o755)
    failed = 0
    enter(folder)
    service = Service(*map(os.path.abspath, sys.argv[1:3]), top, folder)
    try:
        service.daemon_start()
        tests = [test_without_polkit, "polkit", test_authorisation, test_descriptors, test_keys,
                 test_key_of_another_name, test_name_of_another_lease, test_owner, test_bounds,
                 test_revoke, test_client, test_killed_keeper, test_jobs, test_deaf_client, *matrix.TESTS, *others.TESTS, *hostile.TESTS, test_introspection]
        for test in tests:
            if test == "polkit":
                service.polkit_start()
                continue
            if wanted in test.__name__:
                failed += not run(test, service)
        failed += not run(test_killed, service, kills)
    finally:
        service.close()
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(failed > 0)


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
