#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Guest files: what is said of each fault, and what saving, starting and editing does.

    guestfiles.py USHER GOLDEN FIXTURES

GOLDEN holds each text, what `usher run FILE --plan` says of it, and the exit status; UPDATE=1 in the
environment writes it anew.
"""
import difflib
import os
import pathlib
import pty
import stat
import subprocess
import sys
import tempfile

KERNEL = b"[guest]\nkernel = vmlinux\n"
FAULTS = (
    b"[guest]\nmemroy = 4G\n",
    b"[guest]\nmemory = lots\n",
    b"[guest]\nmemory = 1M\n",
    b"[guest]\nmemory = 4G\ncpus = 2\nmemory = 5G\n",
    b"[guest]\ncpus\n",
    b"[guest]\ncpus =\n",
    b"[guest]\nhugepages = true\n",
    b"[guest]\ndetach\n",
    b"[guest]\ndisk = a.raw\n",
    b"[guest]\nname = ../x\n",
    b"[guest]\n\n[guest]\n",
    b"[gest]\n",
    b"[memory]\n",
    b"[x]\n",
    b"[Guest]\n",
    b"[guest\n",
    b"[guest] # the guest\n",
    b"memory = 4G\n",
    b"[guest]\n; memory = 4G\n",
    b"[guest]\nmemory_limit = 4G\n",
    b"[guest]\nmemory: 4G\n",
    b"[guest]\nmemory = 4G # much\n",
    b"[guest]\ncmdline = \"quiet\n",
    b"[guest]\nallow = everything\n",
    b"[guest]\nkernel = nowhere\n",
    b"[disk]\n",
    b"[disk]\npath = a.raw\n",
    b"[disk]\nfile\n",
    b"[disk]\nfile = a.raw,ro\n",
    b"[disk]\nfile = a.raw\nro = maybe\n",
    b"[disk]\nfile = a.raw\nreadonly\n",
    b"[disk]\nfile = a.raw\nserial = a\nserial = b\n",
    b"[disk]\nfile = a.raw\n\n# the serial number\nserial = 0123456789012345678901234567\nro\n",
    KERNEL + b"[disk]\nfile = nowhere.raw\nmemory = 1G\n",
    KERNEL + b"[device]\ndevice = 01:00.0\nmemory = 1G\n",
    b"[net]\nmac = 02:00:00:00:00:01\n",
    b"[net]\nmac = 03:00:00:00:00:01\nuser\n",
    b"[net]\nuser\nforward = tcp:1:2\nforward = tcp:2\n",
    b"[net]\nuser\n[net]\nuser\n",
    b"[port]\nname = a\n[port]\nname = b\n[port]\nname = a\n",
    b"[port]\nname = a\nlimit = 1M\n",
    KERNEL + b"[device]\ndevice = nonsense\n",
    KERNEL + b"[device]\ndevice = 01:00.0\nid = 10de\n",
    KERNEL + b"trace-bar = 01:00.0:9\n",
    b"[guest]\nengine = libvirt\n[disk]\nfile = a.raw\n[disk]\nfile = b.raw\npoll = on\n",
    b"[guest]\nengine = libvirt\n[port]\nname = a\nfile = /a\n[port]\nname = b\n",
    b"[guest]\nengine = qemu\n[port]\nname = a\nfile = /a\n[port]\nname = b\nfile = /b\nlimit = 1M\n",
    b"[qemu]\nword = -nodefaults\n",
    b"[guest]\nmemory = 4G",
    b"[guest]\r\nmemory = 4G\r\n",
    b"[guest]\nname = w\xe4b\n",
    b"[guest]\nname = w\0b\n",
    b"[guest]\nname = w\xe2\x80\x8bb\n",
    b"[guest]\nname = \x1b[1mweb\n",
    b"\xef\xbb\xbf[guest]\n",
    b"\xff\xfe[\0g\0",
    b"[guest]\ncmdline = " + b"x" * 4096 + b"\n",
    b"#" * 65537,
    b"usher-claim 1\naddress 0000:01:00.0\n",
)


class Place:
    """A folder with saved guests, and usher there."""

    def __init__(self, usher, folder):
        self.usher, self.folder = usher, folder
        self.guests = folder / "guests"
        (folder / "vmlinux").write_bytes(b"")
        (folder / "a.raw").write_bytes(b"")

    def run(self, *words, cwd=None, **more):
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C", "USHER_GUESTS": str(self.guests),
                       "TMPDIR": str(self.folder), **more}
        done = subprocess.run([self.usher, *words], cwd=cwd or self.folder, env=environment, check=False,
                              capture_output=True, stdin=subprocess.DEVNULL, timeout=60)
        return done.returncode, done.stdout.decode(), done.stderr.decode()


def shown(text):
    lines = text.decode("latin-1").encode("unicode_escape").decode().replace("\\n", "\n")
    return "".join(f"| {line[:60]}\n" for line in lines.rstrip("\n").split("\n"))


def faults_text(place):
    told = []
    for text in FAULTS:
        (place.folder / "web").write_bytes(text)
        status, out, err = place.run("run", "web", "--plan", "--host", "plan.host")
        said = "".join(f"! {line}\n" for line in err.splitlines())
        told.append(f"{shown(text)}{out}{said}= {status}\n")
    return "\n".join(told)


def compare(place, golden):
    got = faults_text(place)
    if os.environ.get("UPDATE"):
        golden.write_text(got)
    known = golden.read_text() if golden.exists() else ""
    yield from difflib.unified_diff(known.splitlines(), got.splitlines(), "known", "printed", lineterm="")


def expect(what, got, wanted):
    if got != wanted:
        yield f"{what}: {got!r}, not {wanted!r}"


def writing(place):
    """A command line becomes a file, which says the same again, from another folder, too."""
    words = ["--disk", "a.raw,ro", "--kernel", "vmlinux", "--memory", "1G", "--port", "p,socket",
             "--device", "01:00.0,rom=rom", "--net", "user,mtu=1400", "--rng", "off"]
    status, text, err = place.run("run", *words, "--print-config")
    yield from expect("--print-config", (status, err), (0, ""))
    yield from expect("its paths", text.count(f"{place.folder}/"), 3)
    (place.folder / "sub").mkdir()
    (place.folder / "sub/web").write_text(text)
    yield from expect("what is written again", place.run("run", "sub/web", "--print-config")[1], text)
    yield from expect("options before a file", place.run("run", "--print-config", "sub/web")[1], text)
    yield from expect("what cannot be written",
                      place.run("run", "--rng", "on", "--cmdline", "a\nb", "--print-config")[:2], (2, ""))
    yield from expect("a key twice", place.run("run", "--disk", "a,serial=x,serial=y", "--print-config")[2],
                      "usher: run: --disk: 'serial' is given twice\nhint: see 'usher run --help'\n")
    (place.folder / "a,b").mkdir()
    yield from expect("a folder with a comma",
                      place.run("run", "--disk", "a.raw", "--print-config", cwd=place.folder / "a,b")[:2], (2, ""))
    (place.folder / "sub/web").chmod(0o646)
    yield from expect("a file of everybody", place.run("run", "sub/web", "--print-config")[0], 2)


def saving(place):
    status, out, err = place.run("run", "--disk", "a.raw", "--save", "web")
    yield from expect("--save", (status, out), (0, ""))
    saved = place.guests / "web"
    yield from expect("what is saved", saved.read_text(),
                      f"[guest]\nname = web\n\n[disk]\nfile = {place.folder}/a.raw\n")
    yield from expect("its mode", stat.S_IMODE(saved.stat().st_mode), 0o600)
    status, out, err = place.run("run", "--disk", "b.raw", "--save", "web")
    yield from expect("--save again", (status, "saved already" in err), (125, True))
    yield from expect("--save with --plan", place.run("run", "--plan", "--save", "x")[0], 2)
    for name in ("a/b", "../x", "", "-x", "x" * 300):
        yield from expect(f"--save of '{name}'", place.run("run", "--save", name)[:2], (2, ""))
    # A change of 'web' would write over it.
    yield from expect("--save of a temporary name", place.run("run", "--save", "web.new")[:2], (2, ""))
    yield from expect("what is there", [path.name for path in place.guests.iterdir()], ["web"])
    status, out, err = place.run("start", "web", "--memory", "1G", "--disk", "b.raw", "--print-config")
    yield from expect("start", (status, out),
                      (0, f"[guest]\nname = web\nmemory = 1G\n\n[disk]\nfile = {place.folder}/a.raw\n\n"
                          f"[disk]\nfile = {place.folder}/b.raw\n"))
    yield from expect("start of none", place.run("start", "webb")[2],
                      "usher: no guest is saved as 'webb'\n"
                      "hint: did you mean 'web'? 'usher ps --all' lists saved guests\n")
    yield from expect("ps --all", [line.split()[:2] for line in place.run("ps", "--all")[1].splitlines()][1:],
                      [["web", "saved"]])
    yield from expect("completion", place.run("complete", "--", "start", "w")[1], "web\n")
    # By systemd, which a stand-in plays here.
    editor(place, f'echo "$*" >>{place.folder}/systemctl.told; [ "$1" = enable ]', "systemctl")
    path = f"{place.folder}:{os.environ['PATH']}"
    yield from expect("start at boot", place.run("start", "web", "--at-boot", "yes", PATH=path), (0, "", ""))
    status, out, err = place.run("start", "web", "--at-boot=no", PATH=path)
    yield from expect("a failing systemctl", (status, err),
                      (125, "usher: systemctl has not disabled usher-guest@web.service\n"))
    yield from expect("what systemctl does", (place.folder / "systemctl.told").read_text(),
                      "enable usher-guest@web.service\ndisable usher-guest@web.service\n")
    status, out, err = place.run("start", "web", "--at-boot=yes", PATH="/nonexistent")
    yield from expect("no systemctl", (status, "there is no systemctl" in err), (125, True))
    yield from expect("start of none at boot", place.run("start", "webb", "--at-boot=yes", PATH=path)[0], 2)
    (place.guests / "db").write_bytes(saved.read_bytes())
    (place.guests / "db").chmod(0o600)
    status, out, err = place.run("start", "db")
    yield from expect("start of a copy", (status, "db:2: name: 'web', but the guest is saved as 'db'" in err),
                      (2, True))
    (place.guests / "db").unlink()


def editor(place, script, name="editor"):
    path = place.folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
    return str(path)


def copies(place):
    return sorted(place.folder.glob("usher-edit.*/*"))


def editing(place):
    saved = place.guests / "web"
    before = saved.read_text()

    def edit(script, **more):
        return place.run("edit", "web", EDITOR=editor(place, script), **more)

    yield from expect("edit without a change", edit("true")[0], 0)
    yield from expect("its copy", copies(place), [])
    yield from expect("edit", edit('sed -i "s/^name.*/&\\nmemory = 2G/" "$1"; touch "$1~"'),
                      (0, "", "guest 'web' is changed\n"))
    yield from expect("its text", saved.read_text(), before.replace("web\n", "web\nmemory = 2G\n", 1))
    yield from expect("its mode", stat.S_IMODE(saved.stat().st_mode), 0o600)
    yield from expect("its copy", copies(place), [])
    before = saved.read_text()
    status, _, err = edit('echo nonsense >>"$1"')
    kept = copies(place)
    yield from expect("a bad edit", (status, "/web:7: " in err, len(kept)), (1, True, 1))
    yield from expect("its text", kept[0].read_text() if kept else "", before + "nonsense\n")
    yield from expect("what is saved", saved.read_text(), before)
    yield from expect("where it is", str(kept[0]) in err, True)
    kept[0].unlink()
    status, _, err = edit('echo >>"$1"; exit 3')
    yield from expect("an editor that fails", (status, "status 3" in err, len(copies(place))), (1, True, 1))
    copies(place)[0].unlink()
    status, _, err = edit(f'echo >>"$1"; echo "# other" >>{saved}')
    yield from expect("another's change", (status, "changed meanwhile" in err, len(copies(place))), (1, True, 1))
    yield from expect("what is saved", saved.read_text(), before + "# other\n")
    copies(place)[0].unlink()
    before = saved.read_text()
    (place.folder / "web").unlink()
    yield from expect("a name in place of a file", "hint: 'web' is a saved guest: usher start web\n" in
                      place.run("run", "web")[2], True)
    yield from expect("a bad key of a device", edit('printf "[device]\\ndevice = x\\nbad\\n" >>"$1"')[0], 1)
    yield from expect("what is saved", saved.read_text(), before)
    copies(place)[0].unlink()
    yield from expect("VISUAL", edit("false", VISUAL=editor(place, "true", "visual") + " --wait")[0], 0)
    yield from expect("edit of another name", edit('sed -i "s/^name.*/name = x/" "$1"')[0], 1)
    copies(place)[0].unlink()
    yield from expect("edit of none", place.run("edit", "none")[0], 1)


def edit_asked(place, script, answer):
    """Edits at a terminal, and answers the question. Return: status."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(USHER_GUESTS=str(place.guests), EDITOR=editor(place, script), VISUAL="",
                          TMPDIR=str(place.folder))
        os.execv(place.usher, [place.usher, "edit", "web"])
    said, asked = b"", False
    while True:
        try:
            said += os.read(terminal, 4096)
        except OSError:
            break
        if b"[Y/n]" in said and not asked:
            os.write(terminal, answer)
            asked = True
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) if asked else said


def asking(place):
    """The first round is bad, the second one good."""
    saved = place.guests / "web"
    before = saved.read_text()
    script = 'grep -q memroy "$1" && sed -i s/memroy/timing/ "$1" || echo "[guest]\nmemroy" >"$1"'
    yield from expect("no at the question", edit_asked(place, script, b"n\n"), 1)
    yield from expect("its text", [path.read_text() for path in copies(place)], ["[guest]\nmemroy\n"])
    copies(place)[0].unlink()
    yield from expect("Ctrl-C at the question", edit_asked(place, script, b"\x03"), -2)
    yield from expect("its text", [path.read_text() for path in copies(place)], ["[guest]\nmemroy\n"])
    copies(place)[0].unlink()
    yield from expect("what is saved", saved.read_text(), before)
    yield from expect("yes at the question", edit_asked(place, script, b"\n"), 0)
    yield from expect("what is saved", (saved.read_text(), copies(place)), ("[guest]\ntiming\n", []))


def main():
    usher, golden, fixtures = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    os.umask(0o022)
    with tempfile.TemporaryDirectory() as name:
        place = Place(usher, pathlib.Path(name).resolve())
        (place.folder / "plan.host").write_bytes((fixtures / "desktop.host").read_bytes())
        parts = (compare(place, golden), writing(place), saving(place), editing(place), asking(place))
        faults = [fault for part in parts for fault in part]
    print("\n".join(faults) if faults else f"{len(FAULTS)} faults are told")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
