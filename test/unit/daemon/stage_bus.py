# SPDX-License-Identifier: MIT
"""A private bus with polkitd and usherd, users of it, and what a client does: for service.py."""
import contextlib
import ctypes
import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

try:
    import dbus
    import dbus.bus
    import dbus.lowlevel
except ImportError:
    # ./dev installs python3-dbus, for the distribution's own Python.
    if sys.executable == "/usr/bin/python3" or "SERVICE_AGAIN" in os.environ:
        sys.exit("service.py needs dbus: apt-get install python3-dbus")
    os.environ["SERVICE_AGAIN"] = "1"
    os.execv("/usr/bin/python3", ["/usr/bin/python3", "-B", *sys.argv])

NAME, ROOT = "org.usher.Usher1", "/org/usher/Usher1"
ERROR = NAME + ".Error."
DENIED = "org.freedesktop.DBus.Error.AccessDenied"
DISK, OTHER, CARD = "0000:02:00.1", "0000:02:00.2", "0000:02:00.6"
# Users: one of the group vfio, one who is not, and one whose name is the first one's number.
MEMBER, STRANGER, NAMED = 4001, 4002, 4003
BOSS, BINDER = 4004, 4005 # who may do everything; who may bind
LEASES = pathlib.Path("/run/usher/lease")
LOG = pathlib.Path("/var/log/usher/leases")
BORROWERS = 20
FORKS = threading.Lock()

BUS = """<busconfig>
  <type>system</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
  </policy>
  <include>{policy}</include>
  <policy user="polkitd"><allow own="org.freedesktop.PolicyKit1"/></policy>
  <policy user="root"><allow own="org.freedesktop.PolicyKit1"/></policy>
  <policy context="default">
    <allow send_destination="org.freedesktop.PolicyKit1"/>
  </policy>
</busconfig>
"""


RULES = """polkit.addRule(function(action, subject) {
	if (action.id.indexOf("org.usher.Usher1.") == 0 && subject.user == "boss" ||
	    action.id == "org.usher.Usher1.bind" && subject.user == "binder" ||
	    (action.id == "org.usher.Usher1.watch" || action.id == "org.usher.Usher1.stop") && subject.user == "binder" &&
	        action.lookup("guest") == "web" ||
	    action.id == "org.usher.Usher1.claim" && subject.user == "binder" &&
	        (action.lookup("claim") == "web" || action.lookup("claim") == "disk" && action.lookup("device") == "0000:02:00.1") ||
	    action.id == "org.usher.Usher1.attach" && action.lookup("guest") == "web" && subject.user == "binder") {
		return polkit.Result.YES;
	}
});
"""


def skip(why):
    print(why)
    sys.exit(77)


def mount_hidden(path):
    """An empty folder in place of that one, for this test alone."""
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", path]).returncode:
        skip("cannot mount here")


def enter(folder):
    """A mount namespace in which usher's folders and polkit's are empty.

    Mount points that the machine lacks are made in copies: nothing on the machine changes.
    """
    if os.geteuid():
        skip("needs root, for a namespace of its own")
    if "SERVICE_INSIDE" not in os.environ:
        os.environ["SERVICE_INSIDE"] = "1"
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", "--", sys.executable,
                              "-B", *sys.argv])
    if not os.path.isdir("/usr/share/polkit-1/actions"):
        skip("polkit is not installed")
    subprocess.run(["cp", "-a", "/etc", folder / "etc"], check=True)
    subprocess.run(["mount", "--bind", folder / "etc", "/etc"], check=True)
    for path in ("/run", "/var/log", "/usr/share/polkit-1/actions"):
        mount_hidden(path)
    for path in ("/run/usher", "/var/log/usher", "/etc/polkit-1/rules.d", "/etc/usher"):
        shutil.rmtree(path, ignore_errors=True)
        os.makedirs(path)
    # Two users of the test's own.
    for name, line in (("passwd", f"member:x:{MEMBER}:{MEMBER}::/:/bin/sh\n"
                                  f"stranger:x:{STRANGER}:{STRANGER}::/:/bin/sh\n"
                                  f"boss:x:{BOSS}:{BOSS}::/:/bin/sh\n"
                                  f"binder:x:{BINDER}:{BINDER}::/:/bin/sh\n"
                                  # A name that looks like the other's number.
                                  f"{MEMBER}:x:{NAMED}:{NAMED}::/:/bin/sh\n"),
                       ("group", f"member:x:{MEMBER}:\nstranger:x:{STRANGER}:\n"
                                 f"boss:x:{BOSS}:\nbinder:x:{BINDER}:\n"
                                 f"vfio:x:4000:member\n")):
        text = "".join(one for one in open(f"/etc/{name}") if not one.startswith("vfio:"))
        (folder / name).write_text(text + line)
        os.chmod(folder / name, 0o644)
        subprocess.run(["mount", "--bind", folder / name, f"/etc/{name}"], check=True)


class Service:
    """The bus, polkit and usherd."""

    def __init__(self, usherd, usher, top, folder):
        self.words = [usherd, "--usher", usher]
        self.usher, self.top, self.folder = usher, top, folder
        self.processes = []
        path = folder / "bus"
        install = top / "src/daemon/install"
        (folder / "bus.conf").write_text(
            BUS.format(socket=path, policy=install / "org.usher.Usher1.conf"))
        os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = f"unix:path={path}"
        shutil.copy(install / "org.usher.Usher1.policy", "/usr/share/polkit-1/actions")
        shutil.copy(install / "usher.rules", "/etc/polkit-1/rules.d/50-usher.rules")
        pathlib.Path("/etc/polkit-1/rules.d/60-test.rules").write_text(RULES)
        self.start(["dbus-daemon", f"--config-file={folder / 'bus.conf'}", "--nofork"])
        until(lambda: accepts(path), "the bus")
        os.chmod(path, 0o666)
        self.polkit = None
        self.daemon = None

    def start(self, words, **more):
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, preexec_fn=die_with_parent,
                                   env={**os.environ, **more})
        self.processes.append(process)
        return process

    def polkit_start(self):
        self.polkit = self.start(["/usr/lib/polkit-1/polkitd", "--no-debug"])
        until(lambda: has_owner("org.freedesktop.PolicyKit1"), "polkitd")

    def daemon_restart(self, *words, **environment):
        self.daemon_kill()
        self.daemon_start(*words, **environment)

    def daemon_start(self, *words, **environment):
        self.daemon = self.start([*self.words, *words], **environment)
        until(lambda: has_owner(NAME), "usherd")

    def daemon_kill(self):
        self.daemon.kill()
        self.daemon.wait()
        until(lambda: not has_owner(NAME), "the end of usherd")

    def close(self):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.kill()
            process.wait()


def address_of(number):
    return f"{number >> 16:04x}:{number >> 8 & 255:02x}:{number >> 3 & 31:02x}.{number & 7}"


def snapshot_of(count):
    """The text of a snapshot of a host with so many network functions, two in each IOMMU group."""
    lines = ["usher-host 1", "dir /sys/class/iommu/dmar0"]
    for i in range(count):
        address = address_of(i)
        folder = f"/sys/devices/pci{address[:7]}/{address}"
        lines += [f"file {folder}/{name} {text}" for name, text in (
            ("vendor", "0x8086"), ("device", f"0x{i:04x}"), ("class", "0x020000"), ("revision", "0x01"),
            ("subsystem_vendor", "0x8086"), ("subsystem_device", "0x0001"), ("numa_node", "0"))]
        lines += [f"link {folder}/driver ../../../bus/pci/drivers/e1000e",
                  f"link {folder}/iommu_group ../../../kernel/iommu_groups/{i // 2}",
                  f"link /sys/bus/pci/devices/{address} ../../../devices/pci{address[:7]}/{address}",
                  f"link /sys/kernel/iommu_groups/{i // 2}/devices/{address} "
                  f"../../../../devices/pci{address[:7]}/{address}"]
    lines.append("dir /sys/bus/pci/drivers/e1000e")
    return "\n".join(lines) + "\n"


def keepers_start(count):
    """So many leases, as far as usherd sees them: a process that answers at their sockets."""
    listeners = {}
    for i in range(count):
        folder = LEASES / f"many-{i}"
        folder.mkdir(parents=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(folder / "control"))
        listener.listen()
        listeners[listener.fileno()] = listener, i
    pid = os.fork()
    if pid:
        for listener, _ in listeners.values():
            listener.close()
        return pid
    die_with_parent()
    end_after(lambda: keepers_serve(listeners))


def keepers_serve(listeners):
    clients = {}
    while True:
        for fd in select.select([*listeners, *clients], [], [])[0]:
            try:
                if fd in listeners:
                    client = listeners[fd][0].accept()[0]
                    clients[client.fileno()] = client, listeners[fd][1]
                    client.sendall(b'{"protocol":1,"usher":"0","lease":"many"}\n')
                elif not keeper_answer(*clients[fd]):
                    del clients[fd]
            except OSError:
                clients.pop(fd, None)


def keeper_answer(client, number):
    text = client.recv(4096)
    for line in text.splitlines():
        state = {"ok": True}
        if b"state" in line:
            state.update(name=f"many-{number}", engine="lease", state="running", keeper=os.getpid(),
                         user=1000, since=1,
                         devices=[address_of(number * 2), address_of(number * 2 + 1)])
        client.sendall(json.dumps(state).encode() + b"\n")
    return bool(text)


def end_after(task):
    """A child does its task and ends: an error must not send it on into its parent's tests."""
    try:
        task()
        os._exit(0)
    except BaseException:  # pylint: disable=broad-except
        traceback.print_exc()
        os._exit(1)


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def until(what, name, seconds=30):
    limit = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < limit, f"waited in vain for {name}"
        time.sleep(0.02)


def connect():
    return dbus.bus.BusConnection(os.environ["DBUS_SYSTEM_BUS_ADDRESS"])


def accepts(path):
    """Whether somebody listens: the socket is there before that."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.connect(str(path))
    except OSError:
        return False
    return True


def has_owner(name):
    bus = connect()
    try:
        return bus.name_has_owner(name)
    finally:
        bus.close()


def manager(bus):
    return dbus.Interface(bus.get_object(NAME, ROOT, introspect=False), NAME + ".Manager")


def options(**words):
    return dbus.Dictionary(words, signature="sv")


def lease(bus, devices, **words):
    """Return: the lease's name, and what its descriptors read."""
    path, given = manager(bus).Lease(devices, options(**words), timeout=60)
    fds = {"container": given["container"].take()}
    fds.update((str(address), fd.take()) for address, fd in given["devices"].items())
    texts = {name: os.pread(fd, 64, 0).decode() for name, fd in fds.items()}
    assert path == object_path("lease", str(given["name"])), path
    return str(given["name"]), texts, fds


def object_path(kind, name):
    """As sd_bus_path_encode(3) does it."""
    label = re.sub(r"^[0-9]|[^0-9A-Za-z]", lambda c: f"_{ord(c.group()):02x}", name)
    return f"{ROOT}/{kind}/{label}"


def error_of(call):
    try:
        call()
    except dbus.DBusException as error:
        return error.get_dbus_name()
    return None


def job_result(bus, path, seconds=30):
    job = dbus.Interface(bus.get_object(NAME, path, introspect=False), NAME + ".Job")
    until(lambda: job.Result()[0] != "running", "a job", seconds)
    return job.Result()


@contextlib.contextmanager
def as_user(uid, what):
    """Runs @what(bus) in a process of that user, which stays until the end. Yields its answer."""
    # Of two threads that fork here, each child would have the other's pipes, and wait for its end.
    with FORKS:
        ready, go = os.pipe(), os.pipe()
        pid = os.fork()
        if pid:
            os.close(ready[1])
            os.close(go[0])
    if pid == 0:
        os.close(ready[0])
        os.close(go[1])
        try:
            os.setgroups([4000] if uid == MEMBER else [])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            answer = json.dumps(what(connect()))
        except dbus.DBusException as error:
            answer = json.dumps(error.get_dbus_name())
        except BaseException as error:  # pylint: disable=broad-except
            answer = json.dumps(f"{type(error).__name__}: {error}")
        os.write(ready[1], answer.encode())
        os.close(ready[1])
        os.read(go[0], 1)
        os._exit(0)
    with os.fdopen(ready[0]) as pipe:
        answer = json.loads(pipe.read())
    try:
        yield answer, pid
    finally:
        os.close(go[1])
        os.waitpid(pid, 0)


def ask(uid, what):
    with as_user(uid, what) as (answer, _):
        return answer


def no_lease():
    return not list(LEASES.glob("*"))
