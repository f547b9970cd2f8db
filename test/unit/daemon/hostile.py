# SPDX-License-Identifier: MIT
"""Messages that no library sends, words that are made to break an answer, names that come back. For service.py."""
import os
import signal
import socket
import struct
import threading
import time

from stage_bus import *  # pylint: disable=wildcard-import,unused-wildcard-import

FDS_MAX = 16  # that the bus takes with a message


class RawClient:
    """A connection to the bus, byte by byte."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(os.environ["DBUS_SYSTEM_BUS_ADDRESS"].partition("path=")[2])
        self.socket.sendall(b"\0")
        for line in (b"AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode(), b"NEGOTIATE_UNIX_FD"):
            self.socket.sendall(line + b"\r\n")
            self.socket.recv(4096)
        self.socket.sendall(b"BEGIN\r\n")
        self.serial = 0
        # Descriptors that come with the end of the handshake would be lost.
        self.answer_await(self.call("org.freedesktop.DBus", "/", "org.freedesktop.DBus", "Hello"))

    def call(self, destination, path, interface, member, fds=()):
        """Sends a call without arguments. Return: its number."""
        self.serial += 1
        fields = b""
        for code, kind, value in ((1, b"o", path), (3, b"s", member), (2, b"s", interface),
                                  (6, b"s", destination), (9, b"u", len(fds))):
            fields += bytes(-len(fields) % 8) + bytes([code, 1]) + kind + b"\0"
            if kind == b"u":
                fields += struct.pack("<I", value)
            else:
                fields += struct.pack("<I", len(value)) + value.encode() + b"\0"
        message = struct.pack("<4BIII", ord("l"), 1, 0, 1, 0, self.serial, len(fields)) + fields
        message += bytes(-len(message) % 8)
        if fds:
            socket.send_fds(self.socket, [message], fds)
        else:
            self.socket.sendall(message)
        return self.serial

    def answer_await(self, serial):
        """Until the answer to the call of that number has come, or an error."""
        found, mark = b"", b"\x05\x01u\0" + struct.pack("<I", serial)
        while mark not in found:
            more = self.socket.recv(65536)
            assert more, "the bus has closed the connection"
            found += more


def descriptors_of(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def test_hoarded_descriptors(service):
    """Whoever waits for a job makes usherd keep no descriptors, whatever came with the calls."""
    program = service.folder / "slow"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    service.daemon_restart("--usher", str(program))
    clients = []

    def waits(bus):
        path = manager(bus).Plan([DISK], options())
        before = manager(bus).Return("nothing")
        client = RawClient()
        clients.append(client)
        for _ in range(8):
            client.call(NAME, path, NAME + ".Job", "Wait", [0] * FDS_MAX)
        client.answer_await(client.call(NAME, "/", "org.freedesktop.DBus.Peer", "Ping"))
        return before

    try:
        before = descriptors_of(service.daemon.pid)
        with as_user(MEMBER, waits) as (answer, _):
            assert answer == "/", answer
            more = descriptors_of(service.daemon.pid) - before
            assert more < FDS_MAX, f"usherd keeps {more} descriptors"
    finally:
        service.daemon_restart()


def test_cut_words(service):
    """An error that has room for a part of a word has whole characters. With others there is no answer."""
    pid = service.daemon.pid

    def errors(bus):
        calls, found = manager(bus), []
        for length in (*range(28, 33), *range(56, 65)):
            word = "a" * length + "\u20ac" * 20
            words = lambda *all_: dbus.Array(all_, signature="s")  # noqa: E731
            for member, *more in (("Bind", [word], options()), ("Plan", [word], options()),
                                  ("Run", word, words(), options()), ("Run", "stop", words(word), options()),
                                  ("Run", "bind", words("--" + word), options()),
                                  ("Lease", [DISK], options(key=word)), ("Lease", [DISK], options(**{word: 1})),
                                  ("Revoke", word, options()), ("Connect", word, "watch", options()),
                                  ("Connect", "web", word, options())):
                found.append(error_of(lambda: getattr(calls, member)(*more, timeout=5)))
                assert not f"{found[-1]}".endswith("NoReply"), (member, word)
        return found

    found = ask(STRANGER, errors)
    assert isinstance(found, list), found
    assert {f"{one}".rpartition(".")[2] for one in found} <= {"InvalidArgs", "NotFound"}, found
    assert service.daemon.poll() is None and service.daemon.pid == pid, "usherd has ended"


def test_process_of_another(service):
    """A connection whose process is another user's by now, as after a reuse of its id, borrows nothing."""
    def borrows(_):
        os.setresuid(MEMBER, MEMBER, 0)
        bus = connect()
        assert manager(bus).Return("nothing") == "/"
        os.setresuid(0, 0, 0)
        os.setresuid(STRANGER, STRANGER, STRANGER)
        return lease(bus, [DISK])[0]

    assert ask(0, borrows) == DENIED
    assert no_lease()


def test_same_key_again(service):
    """A key is free when its lease has ended, also before usherd has noticed that."""
    bus = connect()
    for _ in range(40):
        for fd in lease(bus, [DISK], key="again")[2].values():
            os.close(fd)
        path = manager(bus).Return("again")
        job = dbus.Interface(bus.get_object(NAME, path, introspect=False), NAME + ".Job")
        assert job.Wait()[:2] == ("done", 0)


def test_first_call(service):
    """usherd has its name when the keepers that were there have said what they have; one that hangs has a bound."""
    for fd in lease(connect(), [DISK], key="early")[2].values():
        os.close(fd)
    keeper = int((LEASES / "early/keeper").read_text())
    os.kill(keeper, signal.SIGSTOP)
    service.daemon_kill()
    begun = time.monotonic()
    service.daemon_start()
    assert time.monotonic() - begun < 10
    service.daemon_kill()
    threading.Timer(0.3, os.kill, (keeper, signal.SIGCONT)).start()
    service.daemon_start()
    bus = connect()
    path = manager(bus).Return("early")
    assert path != "/", "usherd does not know a lease that was there before"
    assert job_result(bus, path)[:2] == ("done", 0)
    assert no_lease()


def test_polkit_ends(service):
    """Whoever is refused because polkit has not answered hears that, and not that it does not run."""
    def says(bus):
        try:
            return lease(bus, [DISK])[0]
        except dbus.DBusException as error:
            return error.get_dbus_message()

    os.kill(service.polkit.pid, signal.SIGSTOP)
    threading.Timer(0.5, service.polkit.kill).start()
    try:
        assert ask(MEMBER, says) == f"lease {DISK}: polkit has not answered: try again"
    finally:
        service.polkit.wait()
        service.polkit_start()


def test_no_log(service):
    """A log that cannot be written does not stop a lease, and the borrower hears that."""
    folder, away = LOG.parent, LOG.parent.with_name("away")
    if folder.exists():
        folder.rename(away)
    folder.touch()
    bus = connect()
    try:
        _, given = manager(bus).Lease([DISK], options(key="unlogged"), timeout=60)
        assert f"lease 'unlogged' is not in the log {LOG}: Not a directory" in given["messages"], given
        del given  # with its descriptors
        assert job_result(bus, manager(bus).Return("unlogged"))[:2] == ("done", 0)
    finally:
        folder.unlink()
        if away.exists():
            away.rename(folder)
    assert no_lease()


TESTS = [test_same_key_again, test_first_call, test_polkit_ends, test_no_log, test_process_of_another, test_hoarded_descriptors, test_cut_words]
