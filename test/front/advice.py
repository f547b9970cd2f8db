#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every command that `usher check` advises for the boot of a host exists, and does what is said.

The commands are taken from the tables in the source. Each has to be one of FORMS: a program and the
words that its own documentation has. Those of RUNS then run in a scratch root, with the kernel's
modules of the lab, and their result is looked at. The rest are printed with the reason.

advice.py SOURCE          checks all forms, and runs what this machine can run
advice.py --fetch         brings the packages of RUNS into the cache, which later runs use
"""
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "usher")
PACKAGES = ["grub-common", "grub2-common", "initramfs-tools", "initramfs-tools-core", "klibc-utils",
            "libklibc", "linux-base", "dracut", "dracut-core", "libdevmapper1.02.1", "libefivar1",
            "libefiboot1", "busybox", "u-boot-menu", "cpio", "kmod"]

# Program: words of its documentation ('=' at the end: a value follows), why no lab here runs it, and
# where the words were looked up.
FORMS = {
    "grubby": (["--update-kernel=", "--args=", "--remove-args="], "Debian has no grubby",
               "grubby(8)"),
    "rpm-ostree": (["kargs", "--append-if-missing=", "--delete-if-present=", "initramfs",
                    "--enable", "--arg=", "initramfs-etc", "--track="], "needs a deployment",
                   "rpm-ostree(1); docs.fedoraproject.org, Fedora CoreOS, kernel-args"),
    "ostree": (["admin", "kargs", "edit-in-place", "--append-if-missing="], "needs a deployment",
               "ostree: tests/kolainst/destructive/kargs-edit-in-place.sh"),
    "kernelstub": (["--add-options", "--delete-options"],
                   "is Pop!_OS's, and needs its partition", "kernelstub: README.md"),
    "proxmox-boot-tool": (["refresh"], "is Proxmox's, and needs its partitions",
                          "Proxmox VE: Host Bootloader"),
    "nixos-rebuild": (["boot"], "needs the Nix store", "nixos-rebuild(8)"),
    "mkinitcpio": (["-P"], "is Arch's: Debian has no package", "mkinitcpio(8)"),
    "limine-update": ([], "is Arch's: Debian has no package", "limine-entry-tool"),
    "limine-mkinitcpio": ([], "is Arch's: Debian has no package", "limine-mkinitcpio-hook"),
    "dracut-rebuild": ([], "is EndeavourOS's", "eos-dracut"),
    "reinstall-kernels": ([], "is EndeavourOS's", "kernel-install-for-dracut"),
    "sdbootutil": (["update-all-entries", "mkinitrd"], "is openSUSE's", "sdbootutil --help"),
    "transactional-update": (["initrd", "grub.cfg"], "is openSUSE's, and needs its snapshots",
                             "transactional-update(8)"),
    "grub2-mkconfig": (["-o"], "is the name of grub-mkconfig elsewhere, which is run", ""),
    "mkinitfs": ([], "is Alpine's", "mkinitfs(1)"),
    "update-extlinux": ([], "is Alpine's", "Alpine's package syslinux"),
    "sdboot-manage": (["gen"], "is CachyOS's and Manjaro's", "systemd-boot-manager"),
    "clr-boot-manager": (["update"], "is Solus's and Clear Linux's", "clr-boot-manager(1)"),
    "guix": (["system", "reconfigure", "/etc/config.scm", "FILE"], "needs the store of Guix",
             "Guix: Invoking guix system"),
    "genkernel": (["initramfs"], "is Gentoo's", "genkernel(8)"),
    "/usr/lib/booster/regenerate_images": ([], "is Arch's: Debian has no package",
                                           "booster: packaging/arch"),
    "update-grub": ([], None, ""),
    "grub-mkconfig": (["-o"], None, ""),
    "update-initramfs": (["-u", "-k", "all"], None, ""), # Ubuntu: dracut has one with these words
    "dracut": (["--force", "--regenerate-all"], None, ""),
    "kernel-install": (["add"], None, ""),
    "u-boot-update": ([], None, ""),
}

# The same for commands in other advice, which are about a host's state and not run here.
OTHERS = {
    "check/hypervisor": {
        "VBoxManage": (["modifyvm", "--chipset=ich9", "--iommu=automatic"],
                       "VBoxManage modifyvm --help"),
        "qm": (["set", "--machine", "q35,viommu=intel"], "qm(1)"),
        "xl": (["pci-assignable-add"], "xl(1)"),
        "qvm-pci": ([], "qvm-pci(1)"),
    },
    "check/bootowner": {
        "midclt": (["call", "system.advanced.update"], "TrueNAS: API, system.advanced.update"),
        "abroot": (["kargs", "edit"], "ABRoot: cmd/kargs.go"),
    },
    "check/owner": {
        "driverctl": (["unset-override"], "driverctl(8)"),
        "mdevctl": (["undefine", "--uuid="], "mdevctl(8)"),
    },
    "hold/fix": {
        "cxl": (["disable-region", "destroy-region"], "cxl-destroy-region(1)"),
        "ip": (["-n", "link", "set", "netns", "1"], "ip(8), ip-link(8)"),
    },
    "hold/stop": {
        "systemctl": (["stop", "--user", "display-manager", "pipewire.socket", "wireplumber",
                       "pipewire-pulse.socket", "pipewire-pulse", "pipewire", "pulseaudio.socket",
                       "pulseaudio"], "systemctl(1)"),
        "loginctl": (["terminate-session"], "loginctl(1)"),
        "docker": (["stop"], "docker-stop(1)"),
        "podman": (["stop"], "podman-stop(1)"),
        "lvchange": (["-an", "/dev/mapper/"], "lvchange(8)"),
        "cryptsetup": (["close"], "cryptsetup(8)"),
        "multipath": (["-f"], "multipath(8)"),
        "mdadm": (["--stop", "/dev/"], "mdadm(8)"),
        "umount": ([], "umount(8)"),
        "kill": ([], "kill(1)"),
        "modprobe": (["-r"], "modprobe(8)"),
    },
}

GRUB = """
cat >/usr/sbin/grub-probe <<'EOF'
#!/bin/sh
case "$*" in
*target=device*) echo /dev/null ;;
*fs_uuid*) ;;
*target=fs*) echo ext2 ;;
*) echo x ;;
esac
EOF
chmod +x /usr/sbin/grub-probe
echo 'GRUB_CMDLINE_LINUX_DEFAULT="quiet iommu=pt"' >/etc/default/grub
mkdir -p /boot/grub
"""
DRACUT = """
rm -f /boot/initr*
mkdir -p /etc/dracut.conf.d
printf '%s\\n' 'dracutmodules="base kernel-modules"' 'drivers="vfio_pci vfio"' 'compress="cat"' \
    'force_drivers+=" vfio_pci "' >/etc/dracut.conf.d/vfio.conf
"""
# Program: what stands before it, and what shows afterwards that it did what is said.
RUNS = {
    "update-grub": (GRUB, "grep -q 'linux.*iommu=pt' /boot/grub/grub.cfg"),
    "grub-mkconfig": (GRUB, "grep -q 'linux.*iommu=pt' /boot/grub/grub.cfg"),
    "update-initramfs": ("""
printf 'MODULES=list\\nBUSYBOX=n\\nCOMPRESS=gzip\\n' >/etc/initramfs-tools/initramfs.conf
rm -f /usr/share/initramfs-tools/hooks/[!k]*
echo vfio_pci >>/etc/initramfs-tools/modules
echo x >/boot/initrd.img-$V
sha1sum /boot/initrd.img-$V >/var/lib/initramfs-tools/$V
""", "lsinitramfs /boot/initrd.img-$V | grep -q /vfio-pci.ko"),
    "dracut": (DRACUT, "grep -qa vfio-pci.ko /boot/initr*$V*"),
    "kernel-install": ("""
mkdir -p /etc/kernel/install.d /boot/loader/entries /boot/0123456789abcdef0123456789abcdef
ln -sf /dev/null /etc/kernel/install.d/50-dracut.install
echo 0123456789abcdef0123456789abcdef >/etc/machine-id
echo layout=bls >/etc/kernel/install.conf
echo root=/dev/x iommu=pt >/etc/kernel/cmdline
""", "grep -q 'options.*iommu=pt' /boot/loader/entries/*$V*.conf"),
    "u-boot-update": ("""
echo 'U_BOOT_PARAMETERS="ro iommu=pt"' >/etc/default/u-boot
""", "grep -q 'append.*iommu=pt' /boot/extlinux/extlinux.conf"),
}

# The scratch root: this machine's /usr and /etc with the packages on top, all changes in memory.
SCRATCH = r"""
set -e
mount -t tmpfs none "$S"
mkdir "$S/u" "$S/uw" "$S/e" "$S/ew" "$S/r"
cd "$S/r"
mkdir usr etc var proc sys dev tmp run boot root var/tmp
mount -t overlay o -o "lowerdir=$P/usr:/usr,upperdir=$S/u,workdir=$S/uw" usr
mount -t overlay o -o "lowerdir=$P/etc:/etc,upperdir=$S/e,workdir=$S/ew" etc
cp -a "$P/var/." var/
mkdir -p var/lib/initramfs-tools var/lib/dpkg var/lib/dracut
for f in proc sys dev; do mount --rbind /$f $f; done
for f in bin sbin lib lib64; do ln -s usr/$f $f; done
mkdir -p "usr/lib/modules/$V" usr/local/bin "$S/m" "$S/mw"
mount -t overlay o -o "lowerdir=$K,upperdir=$S/m,workdir=$S/mw" "usr/lib/modules/$V"
for f in boot/vmlinuz-$V usr/lib/modules/$V/vmlinuz; do echo x >$f; done
printf 'CONFIG_RD_GZIP=y\n' >boot/config-$V
printf '#!/bin/sh\n[ "$1" = -r ] && echo %s || exec /bin/uname "$@"\n' $V >usr/local/bin/uname
chmod +x usr/local/bin/uname
exec chroot . env -i V=$V PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin sh -ec "$1"
"""


def commands(source):
    """The commands in the tables and functions of the owners, and in the reasons of early boot."""
    text = r'"((?:[^"\\]|\\.)+)"'
    for name in ("bootowner", "earlyowner"):
        code = (source / f"src/check/{name}.c").read_text(encoding="utf-8")
        yield from re.findall(r"\.(?:add|drop|applied_by|made_by) = " + text, code)
        for body in re.findall(r"\*\w+_tool\([^)]*\)\n\{(.*?)\n\}", code, re.DOTALL):
            yield from re.findall(r"(?:return|\?|:)\s*" + text, body)
    code = (source / "src/check/earlyrule.c").read_text(encoding="utf-8")
    yield from re.findall(r"run '([a-z][^']*)' and reboot", code)


def example(command):
    """The command for one host."""
    value = "/etc/x" if "--track" in command else "iommu=pt" if "'%s'" in command else "linux"
    return command.replace("%s", value)


def words_of(command):
    return shlex.split(command.replace("$(uname -r)", "/RELEASE"))


def form_fault(command):
    """What the documentation of the program does not have; None if it has all words."""
    program, *words = words_of(command)
    if program not in FORMS:
        return f"{command}: {program} is not in the table of this test"
    for word in words:
        known = any(word == form or (form[-1] == "=" and word.startswith(form))
                    for form in FORMS[program][0])
        if word.startswith("-") and not known:
            return f"{command}: {program} has no {word}"
        if not known and not word.startswith("/") and word != "iommu=pt":
            return f"{command}: {program} has no {word}"
    return None


def other_commands(source, name):
    """The commands of OTHERS in one file: from the program's name to the end of its sentence."""
    code = (source / f"src/{name}.c").read_text(encoding="utf-8")
    code = re.sub(r'"\s*\n\s*"', "", code).replace('\\"', "'")
    programs = "|".join(OTHERS[name])
    for text in re.findall(r'"([^"\n]*)"', code):
        for found in re.findall(rf"(?:^|(?<=[ (']))((?:{programs})(?: [^();]*)?)(?:$|[();])", text):
            yield found


def other_fault(name, command):
    """The word that the documentation of the program does not have; None if it has all."""
    command = re.sub(r"^([^']*)'(?: .*)?$", r"\1", command)
    program, *words = re.sub(r"'\{.*", "", command).split()
    known = OTHERS[name][program][0]
    for word in words:
        start = re.sub(r"%.*", "", word)
        if start and not re.fullmatch("[A-Z]+", start) and start not in known and \
                not any(form[-1] == "=" and start.startswith(form) for form in known):
            return f"src/{name}.c: {command}: {program} has no {word}"
    return None


def check_others(source):
    """What is wrong with the commands of OTHERS; prints them."""
    faults = []
    for name, programs in OTHERS.items():
        found = sorted(set(other_commands(source, name)))
        faults += filter(None, (other_fault(name, command) for command in found))
        for program in programs:
            uses = [command for command in found if command.split()[0].rstrip("'") == program]
            faults += [] if uses else [f"src/{name}.c does not advise {program}"]
            print(f"not run: {program}: advice on a host's state; looked up: {programs[program][1]}")
    return faults


def modules():
    """The folder of modules of a kernel of the lab that has VFIO; None without one."""
    for found in sorted(CACHE.glob("lab/kernel/*/lib/modules/*/modules.dep")):
        if "vfio-pci.ko" in found.read_text(encoding="utf-8"):
            return found.parent
    return None


def unshare(words, **settings):
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    return subprocess.run(["unshare", "--mount", *user, *words], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False, **settings)


def missing():
    """Why nothing can run on this machine; None if it can."""
    if not (CACHE / "advice/usr").is_dir():
        return "the packages are not in the cache: test/front/advice.py --fetch"
    if not modules():
        return "the lab has no kernel in its cache"
    with tempfile.TemporaryDirectory() as folder:
        probe = (f"mount -t tmpfs none {folder} && cd {folder} && mkdir a b c && "
                 "mount -t overlay o -o lowerdir=/usr,upperdir=$PWD/a,workdir=$PWD/b c")
        if unshare(["sh", "-c", probe]).returncode:
            return "this machine has no overlay mounts for us"
    return None


def run(command):
    """What went wrong; None if the command did what is said."""
    before, after = RUNS[words_of(command)[0]]
    kernel = modules()
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "S": folder, "P": str(CACHE / "advice"), "V": kernel.name,
               "K": str(kernel)}
        done = unshare(["sh", "-c", SCRATCH, "sh", f"{before}\n{command} >&2\n{after}\n"], env=env)
    return None if done.returncode == 0 else f"{command}: fails:\n{done.stdout}{done.stderr}"


def fetch():
    """Unpacks the packages into the cache. /bin, /lib and /sbin are links to folders of /usr."""
    target = CACHE / "advice"
    with tempfile.TemporaryDirectory() as folder:
        for name in PACKAGES:
            subprocess.run(["apt-get", "-q", "download", name], cwd=folder, check=False)
        root = pathlib.Path(folder, "root")
        for package in sorted(pathlib.Path(folder).glob("*.deb")):
            subprocess.run(["dpkg", "-x", package, root], check=True)
        for name in ("bin", "sbin", "lib"):
            if (root / name).is_dir():
                shutil.copytree(root / name, root / "usr" / name, symlinks=True, dirs_exist_ok=True)
                shutil.rmtree(root / name)
        shutil.rmtree(target, ignore_errors=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(root, target, symlinks=True)
    print(f"packages: {target}")


def main():
    if sys.argv[1] == "--fetch":
        return fetch()
    found = sorted({example(command) for command in commands(pathlib.Path(sys.argv[1]))})
    why = missing()
    faults = [fault for fault in map(form_fault, found) if fault]
    ran = 0
    for command in found:
        program = words_of(command)[0]
        if form_fault(command):
            continue
        reason = FORMS[program][1] or why
        if "linux" in command:
            reason = reason or "its image is Arch's"
        if reason:
            seen = FORMS[program][2]
            print(f"not run: {command}: {reason}{'; looked up: ' if seen else ''}{seen}")
            continue
        fault = run(command)
        faults += [fault] if fault else []
        print(f"{'fails' if fault else 'run'}: {command}")
        ran += 1
    unused = set(FORMS) - {words_of(command)[0] for command in found}
    faults += [f"no advice has {program}" for program in sorted(unused)]
    faults += check_others(pathlib.Path(sys.argv[1]))
    print("\n".join(faults) if faults else f"{len(found)} commands, {ran} run")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
