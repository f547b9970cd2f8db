# SPDX-License-Identifier: MIT
"""The emulated host's kernel: a package of the distribution, downloaded and unpacked, never installed.

QEMU boots the plain vmlinux by PVH, because decompression inside the emulation would take seconds. The same vmlinux serves as the kernel of nested guests.
"""
import dataclasses
import functools
import pathlib
import re
import shutil
import struct
import subprocess

import cache

# No emulated device and no test needs these. They are half of the package, and slow to unpack.
UNNEEDED = """sound drivers/media drivers/iio drivers/comedi drivers/staging drivers/infiniband
    drivers/isdn drivers/bluetooth drivers/hwmon drivers/mtd drivers/mmc drivers/hid drivers/input
    drivers/platform drivers/accel drivers/watchdog drivers/target drivers/net/wireless
    drivers/net/ieee802154 drivers/net/can drivers/net/usb drivers/net/wwan drivers/net/dsa
    drivers/net/hamradio drivers/net/arcnet drivers/gpu/drm/amd drivers/gpu/drm/i915
    drivers/gpu/drm/xe drivers/gpu/drm/nouveau drivers/gpu/drm/radeon drivers/usb/serial
    drivers/usb/gadget drivers/usb/misc drivers/usb/storage net/bluetooth net/mac80211 net/wireless
    fs/ocfs2 fs/ceph fs/afs fs/smb""".split()

# Kernels in the order of preference: the newest long-term one that the distribution has.
META_PACKAGES = ["linux-image-6.12-amd64", "linux-image-amd64", "linux-image-generic"]

DECOMPRESS = [
    (b"\x1f\x8b", ["gzip", "-dc"]),
    (b"\xfd7zXZ\0", ["xz", "-dc", "--single-stream"]),
    (b"\x28\xb5\x2f\xfd", ["zstd", "-dcq"]),
    (b"\x02\x21\x4c\x18", ["lz4", "-dc"]),
]


@dataclasses.dataclass
class Kernel:
    path: pathlib.Path

    @property
    def version(self):
        return self.path.name

    @property
    def vmlinux(self):
        return self.path / "vmlinux"

    @property
    def modules(self):
        """The tree that a host has at /lib/modules."""
        return self.path / "lib" / "modules"

    def module_files(self, *names):
        """The files of these modules and of their dependencies, in the order of loading."""
        files = []
        for name in names:
            steps = subprocess.run(
                ["modprobe", "--dirname", self.path, "--set-version", self.version,
                 "--show-depends", "--ignore-install", name],
                capture_output=True, text=True)
            if steps.returncode != 0:
                raise cache.LabError(f"kernel {self.version}: no module {name}: {steps.stderr.strip()}")
            for kind, *rest in map(str.split, steps.stdout.splitlines()):
                if kind == "insmod" and rest[0] not in files:
                    files.append(rest[0])
        return [pathlib.Path(f) for f in files]


def find(wanted=None):
    """The kernel of that version (or prefix), or the default one; fetched if it is missing."""
    home = cache.directory() / "kernel"
    home.mkdir(exist_ok=True)
    chosen = home / "default"
    if wanted is None and chosen.exists() and (home / chosen.read_text()).is_dir():
        return Kernel(home / chosen.read_text())
    if wanted and (home / wanted).is_dir():
        return Kernel(home / wanted)

    with cache.locked("kernel"):
        version = version_by_prefix(wanted) if wanted else default_version()
        kernel = Kernel(home / version)
        if not kernel.path.is_dir():
            with cache.made_whole(kernel.path) as part:
                fetch(version, part)
                unpack(version, part)
        if wanted is None:
            cache.write_whole(chosen, version.encode())
    return kernel


def default_version():
    for meta in META_PACKAGES:
        match = re.search(r"^Depends:.*\blinux-image-(\d\S*?)[ ,(\n]", apt_show(meta), re.M)
        if match:
            return match[1]
    raise cache.LabError("apt knows no kernel package: none of " + ", ".join(META_PACKAGES)
                         + "; run apt-get update, or see /etc/apt/sources.list")


def version_by_prefix(prefix):
    apt_update_once()
    names = output("apt-cache", "pkgnames", f"linux-image-{prefix}").split()
    found = [n.removeprefix("linux-image-") for n in names
             if re.fullmatch(r"linux-image-\d+\.\d+\.\d+\S*-(amd64|generic)", n)
             and not re.search(r"-(cloud|rt)-amd64", n)]
    if not found:
        raise cache.LabError(f"apt knows no kernel {prefix}")
    return output("sort", "-V", stdin="\n".join(found)).split()[-1]


def packages(version):
    """Debian has one package; Ubuntu keeps the modules in two more."""
    candidates = [f"linux-{part}-{version}" for part in ("image", "modules", "modules-extra")]
    return [name for name in candidates if apt_show(name)]


def fetch(version, part):
    names = packages(version)
    if not names:
        raise cache.LabError(f"apt knows no package linux-image-{version}")
    size = sum(int(re.search(r"^Size: (\d+)", apt_show(n), re.M)[1]) for n in names)
    cache.say(f"fetching the emulated host's kernel {version} ({size >> 20} MiB, once)")
    got = subprocess.run(["apt-get", "-q", "download", *names], cwd=part,
                         capture_output=True, text=True)
    if got.returncode != 0:
        raise cache.LabError(f"apt-get download {' '.join(names)}: {got.stderr.strip()}")


def unpack(version, part):
    cache.say("unpacking it")
    tree = part / "tree"
    for package in part.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", package, tree], check=True)
        package.unlink()
    (part / "vmlinux").write_bytes(vmlinux((tree / "boot" / f"vmlinuz-{version}").read_bytes()))
    modules = keep_modules(tree, part, version)
    decompress_modules(modules)
    subprocess.run(["depmod", "-b", part, version], check=True)
    shutil.copy(tree / "boot" / f"config-{version}", part / "config")
    shutil.rmtree(tree)


def keep_modules(tree, part, version):
    lib = tree / "lib" if (tree / "lib" / "modules").is_dir() else tree / "usr" / "lib"
    shutil.move(lib / "modules", part / "lib" / "modules")
    modules = part / "lib" / "modules" / version
    for folder in UNNEEDED:
        shutil.rmtree(modules / "kernel" / folder, ignore_errors=True)
    return modules


def decompress_modules(modules):
    """Decompresses once here; otherwise every load in the emulation would, 20 times slower."""
    for suffix, command in ((".xz", ["xz", "-d", "-T1"]), (".zst", ["zstd", "-dq", "--rm"])):
        files = list(modules.rglob("*.ko" + suffix))
        if files:
            subprocess.run(["xargs", "-0", "-n", "64", "-P", "4", *command], check=True,
                           input="\0".join(map(str, files)), text=True)


def vmlinux(image):
    """The ELF file inside a bzImage. Ref: Documentation/arch/x86/boot.rst, payload_offset."""
    if image[0x202:0x206] != b"HdrS":
        raise cache.LabError("the kernel package's vmlinuz is not a bzImage")
    setup_sectors = image[0x1f1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (setup_sectors + 1) * 512 + offset
    payload = image[start:start + length]
    for magic, command in DECOMPRESS:
        if payload.startswith(magic):
            # The payload ends with four bytes, the unpacked size; some tools warn about them.
            elf = subprocess.run(command, input=payload[:-4], capture_output=True).stdout
            if elf.startswith(b"\x7fELF"):
                return elf
    raise cache.LabError("cannot unpack the vmlinux inside the kernel package's vmlinuz")


@functools.cache
def apt_show(package):
    apt_update_once()
    return output("apt-cache", "show", "--no-all-versions", package, check=False)


@functools.cache
def apt_update_once():
    """Fetches package lists only if there are none, as in a fresh container."""
    if output("apt-cache", "pkgnames", "linux-image-"):
        return
    cache.say("fetching apt's package lists")
    sudo = [] if output("id", "-u").strip() == "0" else ["sudo"]
    subprocess.run([*sudo, "apt-get", "-qq", "update"], check=True)


def output(*command, stdin=None, check=True):
    return subprocess.run(command, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True, check=check).stdout
