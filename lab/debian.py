# SPDX-License-Identifier: MIT
"""The image of a disk with Debian 12, for guests in the emulated host: made once, about 3 minutes.

A disk as a person would have one: GPT, one partition with ext4, a kernel and an initramfs in /boot, and
systemd. root has no password. Each boot of the emulated host writes to a snapshot of it.
"""
import hashlib
import os
import pathlib
import shutil
import subprocess
import tempfile

import cache

MIRROR = "http://deb.debian.org/debian"
SUITE = "bookworm"
PACKAGES = """systemd-sysv udev dbus libpam-systemd login kmod initramfs-tools linux-image-cloud-amd64
    iproute2 openssh-server busybox-static""".split()

UNNEEDED = ["/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/i18n/*",
            "/usr/share/info/*", "/usr/share/lintian/*"]

# In the new root, after its packages. The initramfs has the drivers of this disk alone: a small one
# loads faster in the emulation.
FINISH = """
echo debian >etc/hostname
echo 'LABEL=root / ext4 rw 0 1' >etc/fstab
chroot . passwd -d root >/dev/null
echo MODULES=list >etc/initramfs-tools/conf.d/lab
printf 'virtio_pci\\nvirtio_blk\\next4\\n' >>etc/initramfs-tools/modules
rm -f etc/ssh/ssh_host_* etc/systemd/system/timers.target.wants/*
chroot . update-initramfs -u >/dev/null
chroot . ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
: >etc/machine-id
"""

PARTITION_START = 1 << 20
FILE_SYSTEM_SIZE = 640 << 20
TABLE = """label: gpt
label-id: 11111111-2222-4333-8444-555555555555
start=2048, size={sectors}, type=linux, uuid=aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee, name=root
"""


def recipe():
    """A new image is made when any of this changes."""
    words = [SUITE, *PACKAGES, *UNNEEDED, FINISH, TABLE, FILE_SYSTEM_SIZE]
    return hashlib.sha256(repr(words).encode()).hexdigest()[:16]


def find():
    path = cache.directory() / f"debian-{recipe()}.raw"
    with cache.locked("debian"):
        if not path.exists():
            cache.say("making the image of a Debian disk, once: about 3 minutes")
            with tempfile.TemporaryDirectory(prefix="usher-debian.") as home:
                make(pathlib.Path(home), path)
    return path


def make(home, path):
    run("mmdebstrap", "--quiet", "--variant=minbase", "--format=tar", "--include=" + ",".join(PACKAGES),
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in UNNEEDED),
        '--customize-hook=cd "$1" && ' + FINISH, SUITE, home / "root.tar", MIRROR)
    image = home / "root.ext4"
    # fakeroot: the files belong to root in there, whoever makes the image.
    run(*([] if os.geteuid() == 0 else ["fakeroot", "--"]), "sh", "-ec", f"""
        mkdir root && tar -C root -xf root.tar --exclude='./dev/*'
        mke2fs -q -F -t ext4 -L root -E root_owner=0:0 -d root {image} {FILE_SYSTEM_SIZE >> 10}k
        """, cwd=home)
    assemble(image, home / "disk.raw")
    shutil.move(home / "disk.raw", path.with_name("." + path.name))
    path.with_name("." + path.name).rename(path)


def assemble(image, disk):
    with open(disk, "wb") as file:
        file.truncate(PARTITION_START + FILE_SYSTEM_SIZE + (1 << 20))
    table = TABLE.format(sectors=FILE_SYSTEM_SIZE // 512)
    subprocess.run(["sfdisk", "--quiet", disk], input=table.encode(), check=True)
    run("dd", f"if={image}", f"of={disk}", "bs=1M", "seek=1", "conv=notrunc,sparse", "status=none")


def run(*command, cwd=None):
    done = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        told = done.stdout.decode(errors="replace").splitlines()[-10:]
        raise cache.LabError(f"{command[0]} failed:\n" + "\n".join(told))
