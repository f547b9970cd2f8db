#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What usher says to libvirt, and what libvirt says to usher. libvirt.py USHER FIXTURES SCHEMA

'usher xml' is valid by libvirt's schema, inside of a domain: each group of each host, with libvirt
managing the devices and without. 'usher guests' and the errors of 'attach' on libvirt's test driver.
Skipped where libvirt's schema or library is not installed.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

SCHEMA = pathlib.Path("/usr/share/libvirt/schemas/domain.rng")
DOMAIN = """<domain type='kvm'><name>web</name><memory>1</memory><os><type>hvm</type></os><devices>
{}</devices></domain>
"""


def output(words):
    return subprocess.run(words, capture_output=True, text=True, check=False,
                          env={"PATH": os.environ["PATH"], "LC_ALL": "C"}).stdout


def domains(usher, fixtures):
    for path in sorted(fixtures.glob("*.host")):
        listing = output([usher, "list", "-l", "-n", "-o", "address", "--host", path]).split()[1:]
        elements = ""
        for number, address in enumerate(listing[:40]):
            managed = "yes" if number % 2 else "no"
            elements += output([usher, "xml", "--managed", managed, address, "--host", path])
        if elements:
            yield path.stem, DOMAIN.format(elements)


def invalid(files):
    """xmllint's complaints, for all files at once: most of its time goes to the schema."""
    done = subprocess.run(["xmllint", "--noout", "--relaxng", SCHEMA, *files],
                          capture_output=True, text=True, check=False)
    return [] if done.returncode == 0 else done.stderr.splitlines()


def refused(file):
    """Whether virt-xml-validate, libvirt's own program, refuses a file; False where it is not installed."""
    program = shutil.which("virt-xml-validate")
    return bool(program) and subprocess.run([program, file, "domain"], capture_output=True,
                                            check=False).returncode != 0


# A host of libvirt's test driver: one domain runs, one is off, one vanishes at its end.
TEST = "http://libvirt.org/schemas/domain/test/1.0"
DEVICE = ("<hostdev mode='subsystem' type='pci' managed='yes'><source>"
          "<address domain='0x0000' bus='0x01' slot='0x00' function='0x{}'/></source></hostdev>")
GUEST = ("<domain type='test'><name>{}</name><uuid>11111111-2222-3333-4444-00000000000{}</uuid>"
         "<memory>1024</memory><os><type>hvm</type></os><devices>{}</devices>{}</domain>")
NODE = "<node>{}</node>".format("".join((
    GUEST.format("web", 1, DEVICE.format(0) + DEVICE.format(1), ""),
    GUEST.format("it's\tan &lt;odd&gt; \u00e4", 2, "",
                 f"<test:runstate xmlns:test='{TEST}'>5</test:runstate>"),
    GUEST.format("brief", 3, DEVICE.format(2), f"<test:transient xmlns:test='{TEST}'/>"))))
TABLE = """NAME                        STATE   DEVICES                   CONFIGURED
brief                       running 0000:01:00.2              transient
it's\\x09an <odd> \\xc3\\xa4    off     -                         -
web                         running 0000:01:00.0 0000:01:00.1 0000:01:00.0 0000:01:00.1
"""


def guest_faults(usher, place, schema):
    (place / "node.xml").write_text(NODE)
    uri = f"test://{place}/node.xml"
    table = output([usher, "guests", "--libvirt", uri])
    if table.split() != TABLE.split():
        yield f"usher guests prints:\n{table}"
    document = output([usher, "guests", "--json", "--libvirt", uri])
    (place / "guests.json").write_text(document)
    told = subprocess.run([sys.executable, "-B", pathlib.Path(__file__).parent / "schema.py",
                           "--document", schema, place / "guests.json"],
                          capture_output=True, text=True, check=False)
    guests = {guest["name"]: guest for guest in json.loads(document)["guests"]}
    if told.returncode or guests["brief"]["persistent"] or len(guests["web"]["devices"]) != 2:
        yield f"usher guests --json: {told.stdout}{document}"
    for words, status, text in (
            (["guests", "--libvirt", "nonsense:///"], 1, "connect to libvirt at 'nonsense:///'"),
            (["guests", "--libvirt", f"test://{place}/nothing.xml"], 1, "nothing.xml"),
            (["attach", "--libvirt", uri, "nobody", "00:00.0"], 1, "libvirt has no domain 'nobody'"),
            (["attach", "--libvirt", uri, "--live", "it's\tan <odd> \u00e4", "00:00.0"], 1,
             "does not run"),
            (["detach", "--libvirt", uri, "--config", "brief", "00:00.0"], 1, "is transient")):
        done = subprocess.run([usher, *words], capture_output=True, text=True, check=False)
        if done.returncode != status or text not in done.stderr:
            yield f"usher {' '.join(words)}: {done.returncode} {done.stderr}"


MANY = 300


def many_faults(usher, place):
    """A host full of domains: each is listed, in the order of their names."""
    guests = "".join(GUEST.format(f"vm {number:03}", f"{number:03}"[-1], DEVICE.format(number % 8), "")
                     .replace("00000000000", f"{number:011}") for number in range(MANY))
    (place / "many.xml").write_text(f"<node>{guests}</node>")
    document = json.loads(output([usher, "guests", "--json", "--libvirt", f"test://{place}/many.xml"]))
    found = [(guest["name"], guest["devices"]) for guest in document["guests"]]
    if found != [(f"vm {number:03}", [f"0000:01:00.{number % 8}"]) for number in range(MANY)]:
        yield f"usher guests --json has {len(found)} of {MANY} domains: {found[:5]}"


def main():
    usher, fixtures, schema = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3]
    if not SCHEMA.exists():
        print(f"no {SCHEMA}")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as place:
        files = []
        for name, text in domains(usher, fixtures):
            files.append(pathlib.Path(place) / f"{name}.xml")
            files[-1].write_text(text)
        broken = pathlib.Path(place) / "broken.xml"
        broken.write_text(files[0].read_text().replace("bus='0x", "bus='x", 1))
        faults = [*invalid(files), *guest_faults(usher, pathlib.Path(place), schema),
                  *many_faults(usher, pathlib.Path(place))]
        if len(files) < 10:
            faults.append(f"only {len(files)} hosts have a device for a domain")
        if not invalid([broken]) or (shutil.which("virt-xml-validate") and not refused(broken)):
            faults.append("a broken domain is valid")
        if refused(files[0]):
            faults.append(f"virt-xml-validate refuses {files[0].read_text()}")
    print("\n".join(faults) or f"{len(files)} domains are valid")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
