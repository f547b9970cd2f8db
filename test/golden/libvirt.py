#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What 'usher xml' prints is valid by libvirt's schema, inside of a domain. libvirt.py USHER FIXTURES

Each group of each host, with libvirt managing the devices and without. Skipped where libvirt's schema
is not installed.
"""
import pathlib
import subprocess
import sys
import tempfile

SCHEMA = pathlib.Path("/usr/share/libvirt/schemas/domain.rng")
DOMAIN = """<domain type='kvm'><name>web</name><memory>1</memory><os><type>hvm</type></os><devices>
{}</devices></domain>
"""


def output(words):
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout


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


def main():
    usher, fixtures = sys.argv[1], pathlib.Path(sys.argv[2])
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
        faults = invalid(files)
        if len(files) < 10:
            faults.append(f"only {len(files)} hosts have a device for a domain")
        if not invalid([broken]):
            faults.append("a broken domain is valid")
    print("\n".join(faults) or f"{len(files)} domains are valid")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
