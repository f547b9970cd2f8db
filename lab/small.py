# SPDX-License-Identifier: MIT
"""The small kernel: our own build of the distribution's source, with little but the drivers of the
devices that tests lend. It boots in a third of the time, and has IOMMUFD, which the distribution's kernel
lacks. It is built once and kept, also when the distribution's source changes.
"""
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import cache
import kernel

CONFIG = pathlib.Path(__file__).parent / "small.config"
# In the order of preference; Ubuntu 24.04 has the last one.
SOURCES = ["linux-source-6.12", "linux-source-6.1", "linux-source-6.8.0"]


def find():
    """The small kernel; builds it if it is missing."""
    mark = "-small-" + hashlib.sha256(CONFIG.read_bytes()).hexdigest()[:8]
    home = cache.directory() / "kernel"
    home.mkdir(exist_ok=True)
    with cache.locked("small-kernel"):
        found = [path for path in home.iterdir() if path.name.endswith(mark) and path.name[0] != "."]
        return kernel.Kernel(found[0] if found else build(home, mark))


def build(home, mark):
    cache.say("building the small kernel of the guests: once, about 10 minutes on two processors")
    with tempfile.TemporaryDirectory(dir=home, prefix=".build.") as place:
        tree = unpack(source(), pathlib.Path(place))
        make(tree, "tinyconfig")
        step(tree, "scripts/kconfig/merge_config.sh", "-m", ".config", CONFIG)
        make(tree, f"LOCALVERSION={mark}", "olddefconfig")
        complain_of_lost_options((tree / ".config").read_text())
        make(tree, f"LOCALVERSION={mark}", f"-j{os.cpu_count() or 1}", "vmlinux", "modules")
        release = (tree / "include/config/kernel.release").read_text().strip()
        with cache.made_whole(home / release) as part:
            install(tree, part, mark)
        return home / release


def source():
    for name in SOURCES:
        if kernel.apt_show(name):
            return name
    raise cache.LabError("apt knows no kernel source: none of " + ", ".join(SOURCES))


def unpack(package, place):
    got = subprocess.run(["apt-get", "-q", "download", package], cwd=place, capture_output=True,
                         text=True)
    if got.returncode != 0:
        raise cache.LabError(f"apt-get download {package}: {got.stderr.strip()}")
    deb, = place.glob("*.deb")
    subprocess.run(["dpkg-deb", "-x", deb, place], check=True)
    archive, = (place / "usr/src").rglob("linux-source-*.tar.*")
    tree = place / "tree"
    tree.mkdir()
    subprocess.run(["tar", "-xf", archive, "-C", tree, "--strip-components=1"], check=True)
    return tree


def make(tree, *words):
    # Reproducible, and without the environment of a test, which may configure another make.
    step(tree, "nice", "make", "-s", "KBUILD_BUILD_USER=usher", "KBUILD_BUILD_HOST=lab", *words)


def step(tree, *words):
    env = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
    done = subprocess.run([str(w) for w in words], cwd=tree, env=env, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise cache.LabError(f"the small kernel: {' '.join(map(str, words))}:\n{done.stdout[-3000:]}")


def complain_of_lost_options(built):
    """kconfig drops an option without a message if its dependencies are not met."""
    wanted = re.findall(r"^(CONFIG_\w+)=([ym])$", CONFIG.read_text(), re.M)
    lost = [name for name, value in wanted if f"{name}={value}\n" not in built]
    if lost:
        cache.say("this source's small kernel lacks " + ", ".join(lost))


def install(tree, part, mark):
    make(tree, f"LOCALVERSION={mark}", f"INSTALL_MOD_PATH={part}", "modules_install")
    for link in ("build", "source"):
        for path in (part / "lib" / "modules").glob(f"*/{link}"):
            path.unlink()
    subprocess.run(["strip", "--strip-debug", tree / "vmlinux", "-o", part / "vmlinux"], check=True)
    shutil.copy(tree / ".config", part / "config")
