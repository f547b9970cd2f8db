/* SPDX-License-Identifier: MIT */
#include "image/debian_script.h"

#define FINISH "\"sh '$WORK/finish' \\\"\\$1\\\" '$WORK'\""

const char debian_script_packages[] =
	"systemd-sysv,udev,dbus,libpam-systemd,kmod,initramfs-tools,linux-image-cloud-amd64,"
	"iproute2,iputils-ping,procps,less,nano";

const char debian_script_root[] =
	"set -e; umask 022\n"
	"mmdebstrap --variant=minbase --format=directory --include=\"$PACKAGES\" \\\n"
	"	--customize-hook=" FINISH " \"$SUITE\" \"$WORK/root\" \"$MIRROR\"\n"
	"mke2fs -q -F -t ext4 -L root -E root_owner=0:0 -d \"$WORK/root\" \\\n"
	"	/proc/self/fd/$IMAGE ${KIB}k\n";

/* Scripts of packages expect these two file systems. */
const char debian_script_old[] =
	"set -e; umask 022\n"
	"debootstrap --variant=minbase --include=\"$PACKAGES\" \\\n"
	"	\"$SUITE\" \"$WORK/root\" \"$MIRROR\"\n"
	"mount -t proc proc \"$WORK/root/proc\"\n"
	"mount -t sysfs sysfs \"$WORK/root/sys\"\n"
	"sh \"$WORK/finish\" \"$WORK/root\" \"$WORK\"\n"
	"umount \"$WORK/root/proc\" \"$WORK/root/sys\"\n"
	"rm -rf \"$WORK/root/var/cache/apt/archives\"/*.deb \"$WORK/root/var/lib/apt/lists\"/*\n"
	"mke2fs -q -F -t ext4 -L root -E root_owner=0:0 -d \"$WORK/root\" \\\n"
	"	/proc/self/fd/$IMAGE ${KIB}k\n";

/* mmdebstrap cleans up after SIGTERM, which the kernel sends to this shell when usher dies. */
const char debian_script_user[] =
	"set -e; umask 022\n"
	"run() { trap 'kill $! 2>/dev/null; wait; exit 143' TERM; \"$@\" & wait $!; }\n"
	"mkdir -m 1777 \"$WORK/tmp\"\n"
	"TMPDIR=$WORK/tmp run mmdebstrap --mode=unshare --variant=minbase --format=tar \\\n"
	"	--include=\"$PACKAGES\" --customize-hook=" FINISH
	" \"$SUITE\" - \"$MIRROR\" >\"$WORK/root.tar\"\n"
	"run fakeroot sh -ec 'mkdir \"$WORK/root\"\n"
	"	tar -C \"$WORK/root\" -xf \"$WORK/root.tar\" --exclude=\"./dev/*\"\n"
	"	mke2fs -q -F -t ext4 -L root -E root_owner=0:0 -d \"$WORK/root\" \\\n"
	"		/proc/self/fd/$IMAGE ${KIB}k'\n";

/*
 * systemd starts a login on each console that the kernel's command line names. No unit waits for a
 * network, which a guest may lack. An empty machine-id gets its value at the first boot.
 */
const char debian_script_finish[] =
	"set -e; cd \"$1\"\n"
	"echo debian >etc/hostname\n"
	"printf '127.0.0.1\\tlocalhost debian\\n::1\\tlocalhost ip6-localhost\\n' >etc/hosts\n"
	"echo 'LABEL=root / ext4 rw,errors=remount-ro 0 1' >etc/fstab\n"
	"chroot . passwd -d root >/dev/null\n"
	"mkdir -p etc/systemd/network\n"
	"printf '[Match]\\nType=ether\\n[Network]\\nDHCP=yes\\n' \\\n"
	"	>etc/systemd/network/80-dhcp.network\n"
	"chroot . systemctl -q enable systemd-networkd systemd-resolved\n"
	"chroot . systemctl -q disable systemd-networkd-wait-online || :\n"
	"ln -sf ../run/systemd/resolve/stub-resolv.conf etc/resolv.conf\n"
	"if [ -e \"$2/key\" ]; then\n"
	"	mkdir -p -m 700 root/.ssh\n"
	"	cat \"$2/key\" >root/.ssh/authorized_keys\n"
	"	chmod 600 root/.ssh/authorized_keys\n"
	"fi\n"
	"if [ -e \"$2/hook\" ]; then sh -e \"$2/hook\" \"$1\"; fi\n"
	": >etc/machine-id\n";
