# SPDX-License-Identifier: MIT
"""The image of a disk with Debian 12, for guests in the emulated host: made once, about 3 minutes.

A disk as a person would have one: what `usher image from-debootstrap` makes, in a partition of a GPT.
root has no password. Each boot of the emulated host writes to a snapshot of it. Beside it lie images of
other formats with the same content.
"""
import hashlib
import pathlib
import shutil
import subprocess
import tempfile

import cache

TOP = pathlib.Path(__file__).resolve().parent.parent
USHER = TOP / "build/src/cli/usher"
PACKAGES = "login,openssh-server,busybox-static"

# In the new root, before it becomes an image. The initramfs has the drivers of this disk alone: a small
# one loads faster in the emulation. Every guest has the same host key. A guest with init=/sbin/report only
# says what it is.
HOOK = """
cd "$1"
echo MODULES=list >etc/initramfs-tools/conf.d/lab
printf 'virtio_pci\\nvirtio_blk\\next4\\n' >>etc/initramfs-tools/modules
rm -f etc/ssh/ssh_host_* etc/systemd/system/timers.target.wants/*
rm -rf usr/share/man/* usr/share/doc/* usr/share/locale/* usr/share/i18n/* usr/share/info/*
chroot . update-initramfs -u >/dev/null
chroot . ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
cat >usr/sbin/report <<'END'
#!/bin/sh
echo "report: $(. /etc/os-release; echo $ID $VERSION_ID) root $(sed -n 's|^\\(/dev/[^ ]*\\) / ext4 \\(r.\\).*|\\1 \\2|p' /proc/mounts)"
echo "report: it was $(cat /written 2>/dev/null || echo untouched)"
echo written 2>/dev/null >/written && sync
exec busybox poweroff -f
END
chmod 755 usr/sbin/report
"""

FORMATS = ("qcow2", "vmdk")

PARTITION_START = 1 << 20
FILE_SYSTEM_SIZE = 640 << 20
TABLE = """label: gpt
label-id: 11111111-2222-4333-8444-555555555555
start=2048, size={sectors}, type=linux, uuid=aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee, name=root
"""


def recipe():
    """A new image is made when any of this changes."""
    script = (TOP / "src/image/debian_script.c").read_text()
    return hashlib.sha256(repr([PACKAGES, HOOK, TABLE, FILE_SYSTEM_SIZE, script]).encode()).hexdigest()[:16]


def find():
    path = cache.directory() / f"debian-{recipe()}.raw"
    with cache.locked("debian"):
        if not path.exists():
            cache.say("making the image of a Debian disk, once: about 3 minutes")
            with tempfile.TemporaryDirectory(prefix="usher-debian-lab.") as home:
                make(pathlib.Path(home), path)
        for name in FORMATS:
            if not path.with_suffix("." + name).exists():
                in_format(path, name)
    return path


def in_format(path, name):
    part = path.with_suffix(".part")
    run("qemu-img", "convert", "-f", "raw", "-O", name, path, part)
    part.rename(path.with_suffix("." + name))


def make(home, path):
    image = home / "root.ext4"
    (home / "hook").write_text(HOOK)
    run(USHER, "image", "from-debootstrap", image, "--size", f"{FILE_SYSTEM_SIZE >> 20}M",
        "--include", PACKAGES, "--hook", home / "hook")
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
