# SPDX-License-Identifier: MIT
"""Other programs to compare with, fetched into the lab's cache and not installed."""
import hashlib
import pathlib
import subprocess
import sys
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lab"))
import cache  # noqa: E402

# A script that runs as root, if only in the emulated host, must be the one that was reviewed.
SCRIPT = ("https://raw.githubusercontent.com/andre-richter/vfio-pci-bind/"
          "b41e4545b21de434fc51a34a9bf1d72e3ac66cc8/vfio-pci-bind.sh")
SCRIPT_SHA256 = "f241de90321583288480b7b45b60f9d3d9e27b753941e12289a915ff64eb9722"
PATIENCE = 20  # [s]


def home():
    path = cache.directory() / "peer"
    path.mkdir(exist_ok=True)
    return path


def debian(package):
    """The folder of an unpacked Debian package, or None if apt does not have it."""
    tree = home() / package
    if tree.is_dir():
        return tree
    with cache.made_whole(tree) as part:
        got = subprocess.run(["apt-get", "-q", "download", package], cwd=part, check=False,
                             stdin=subprocess.DEVNULL, capture_output=True)
        for file in part.glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", file, part], check=True)
            file.unlink()
    if got.returncode:
        tree.rmdir()
        return None
    return tree


def driverctl():
    tree = debian("driverctl")
    return tree and tree / "usr/sbin/driverctl"


def vfio_pci_bind():
    """The script of that name, or None if it cannot be fetched."""
    path = home() / "vfio-pci-bind.sh"
    if not path.exists():
        try:
            with urllib.request.urlopen(SCRIPT, timeout=PATIENCE) as answer:
                text = answer.read()
        except OSError:
            return None
        if hashlib.sha256(text).hexdigest() != SCRIPT_SHA256:
            return None
        cache.write_whole(path, text)
    return path
