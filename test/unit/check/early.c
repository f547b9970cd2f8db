/* SPDX-License-Identifier: MIT */
#include "check/early.h"

#include "base/num.h"
#include "check/check.h"
#include "replay.h"

#include <string.h>

/*
 * A card that is meant for vfio-pci, on hosts of all kinds, and that its own driver had first: the
 * reason, and the one command of what makes the initramfs of that host.
 */

#define CARD(driver)                                                                           \
	"link /sys/bus/pci/devices/0000:01:00.0 ../../../devices/pci0000:00/0000:01:00.0\n"    \
	"at /sys/devices/pci0000:00/0000:01:00.0\n"                                            \
	"file vendor 0x10de\nfile device 0x2484\nfile class 0x030000\nfile reset_method flr\n" \
	"link driver ../../../bus/pci/drivers/" driver "\n"
#define BARE                                                                                \
	"link /sys/bus/pci/devices/0000:01:00.0 ../../../devices/pci0000:00/0000:01:00.0\n" \
	"at /sys/devices/pci0000:00/0000:01:00.0\n"                                         \
	"file vendor 0x10de\nfile device 0x2484\nfile class 0x030000\nfile reset_method flr\n"
#define KERNEL(release, more)                                                                 \
	"file /proc/sys/kernel/osrelease " release "\nfile /lib/modules/" release             \
	"/modules.dep kernel/vfio-pci.ko:\\nkernel/vfio.ko:\\nkernel/vfio_iommu_type1.ko:\\n" \
	"kernel/kvm.ko:\\n" more "\n"
#define BUILTIN(release, module) \
	"file /lib/modules/" release "/modules.builtin kernel/" module ".ko\n"
#define LOADED "dir /sys/bus/pci/drivers/vfio-pci\n"
#define IDS "file /etc/modprobe.d/vfio.conf options vfio-pci ids=10de:2484\n"
#define LINE_IDS "file /proc/cmdline quiet vfio-pci.ids=10de:2484\n"
#define UNRAID_FILE "file /boot/config/vfio-pci.cfg BIND=0000:01:00.0|10de:2484\n"
#define TOOL(path) "file " path " x\n"
#define DEBIAN KERNEL("6.1", "") TOOL("/usr/sbin/update-initramfs") TOOL("/usr/sbin/mkinitramfs")
#define ARCH KERNEL("6.12.1-arch1-1", "") TOOL("/usr/bin/mkinitcpio")
#define DRACUT KERNEL("6.8", "") TOOL("/usr/bin/dracut")
#define UNKNOWN "make the initramfs load vfio_pci; usher does not know how on this host"

static const struct early_row {
	const char *host;
	const char *reason; /* a part of the sentence; NULL: no finding */
	const char *path;
	const char *fix;
} races[] = {
	/* Not on the way: the driver is vfio-pci, or nobody asked for it. */
	{DEBIAN IDS LOADED CARD("vfio-pci"), NULL, NULL, NULL},
	{DEBIAN LOADED CARD("nouveau"), NULL, NULL, NULL},
	/* initramfs-tools takes options in its list, and no list of another tool does. */
	{DEBIAN CARD("nouveau") LOADED "file /etc/initramfs-tools/modules "
				       "vfio_pci ids=10de:2484,10de:228b\n"
				       "file /etc/modprobe.d/x.conf softdep snd pre: vfio-pci\n",
		"bound it first", "/etc/initramfs-tools/modules:1",
		"remove that line; to keep other drivers from it at boot: usher claim "
		"0000:01:00.0"},
	/* dracut of Ubuntu has an update-initramfs, too. */
	{KERNEL("6.17", "") TOOL("/usr/bin/dracut") TOOL("/usr/sbin/update-initramfs")
			LINE_IDS LOADED CARD("nouveau"),
		"nothing makes nouveau wait", "/proc/cmdline",
		"add 'vfio_pci' to force_drivers in /etc/dracut.conf.d/vfio.conf, run "
		"'update-initramfs -u -k all' and reboot"},
	/* What makes the image of a sealed system is not what its tools make. */
	{KERNEL("6.6.44-production+truenas", "") TOOL("/usr/sbin/update-initramfs")
			LINE_IDS LOADED CARD("nouveau"),
		"nothing makes nouveau wait", "/proc/cmdline", UNKNOWN},
	/* NixOS sorts its list. */
	{KERNEL("6.12", "") TOOL("/etc/NIXOS") LINE_IDS LOADED CARD(
		 "amdgpu") "file /etc/nixos/configuration.nix "
			   "boot.initrd.kernelModules = [ \"vfio_pci\" \"amdgpu\" ];\n",
		"the order of that list does not decide", "/etc/nixos/configuration.nix:1",
		"add 'softdep amdgpu pre: vfio_pci' to boot.extraModprobeConfig in "
		"/etc/nixos/configuration.nix, run 'nixos-rebuild boot' and reboot"},
	/* A program that loads the module, and that the image lacks. */
	{ARCH LOADED CARD(
		 "nouveau") "file /etc/mkinitcpio.conf MODULES=(vfio_pci)\\nHOOKS=(modconf)\n"
			    "file /etc/modprobe.d/vfio.conf options vfio-pci "
			    "ids=10de:2484\\ninstall vfio-pci /usr/bin/vfio.sh\n",
		"modprobe runs /usr/bin/vfio.sh", "/etc/modprobe.d/vfio.conf:2",
		"add '/usr/bin/vfio.sh' to FILES in /etc/mkinitcpio.conf, run 'mkinitcpio -P' and "
		"reboot"},
	/* What is in the kernel. */
	{KERNEL("6.1", "") BUILTIN("6.1", "vfio-pci") LOADED IDS CARD(
		 "nouveau") "file /proc/cmdline BOOT_IMAGE=/x\nfile /etc/default/grub "
			    "GRUB_CMDLINE_LINUX=\"\"\nfile /usr/sbin/update-grub x\n",
		"built into this kernel, which does not read", "/etc/modprobe.d/vfio.conf:1",
		"add 'vfio-pci.ids=10de:2484' to line 1 of /etc/default/grub "
		"(GRUB_CMDLINE_LINUX), run 'update-grub' and reboot"},
	{DEBIAN BUILTIN("6.1", "xhci-pci") LOADED IDS CARD("xhci_hcd"),
		"xhci_pci is built into this kernel", "/etc/modprobe.d/vfio.conf:1",
		"to take it from that driver at each boot: usher claim 0000:01:00.0"},
	{DEBIAN BUILTIN("6.1", "vfio-pci") LINE_IDS LOADED CARD(
		 "nouveau") "file /etc/modprobe.d/x.conf softdep nvidia pre: vfio-pci\n",
		"but nouveau has it: vfio-pci is built into this kernel", "/proc/cmdline",
		"to bring it back: usher bind 0000:01:00.0"},
	/* Nothing loads it, or too late. */
	{DEBIAN IDS CARD("nouveau"), "nothing loads vfio-pci", "/sys/bus/pci/drivers/vfio-pci",
		"add 'vfio_pci' to /etc/initramfs-tools/modules, run 'update-initramfs -u -k all' "
		"and reboot"},
	{DEBIAN IDS BARE, "has no driver: nothing loads vfio-pci", "/sys/bus/pci/drivers/vfio-pci",
		"to have it bound at each boot: usher claim 0000:01:00.0"},
	{DEBIAN LINE_IDS LOADED CARD("nouveau"), "nothing makes nouveau wait", "/proc/cmdline",
		"add 'vfio_pci' to /etc/initramfs-tools/modules, run 'update-initramfs -u -k all' "
		"and reboot"},
	{DEBIAN IDS LOADED CARD("nouveau") "file /etc/modules # x\\nvfio-pci\n",
		"read after the initramfs", "/etc/modules:2",
		"add 'vfio_pci' to /etc/initramfs-tools/modules, run 'update-initramfs -u -k all' "
		"and reboot"},
	{DEBIAN IDS LOADED CARD("nouveau") "file /etc/modules-load.d/vfio.conf vfio-pci\n"
					   "file /etc/initramfs-tools/modules # list\\next4\n",
		"read after the initramfs", "/etc/modules-load.d/vfio.conf:1",
		"add 'vfio_pci' to /etc/initramfs-tools/modules, run 'update-initramfs -u -k all' "
		"and reboot"},
	/* A softdep, missing for the driver that has the device. */
	{DEBIAN IDS LOADED CARD("nvidia") "file /etc/modprobe.d/x.conf softdep nouveau pre: "
					  "vfio-pci\n",
		"a softdep makes nouveau wait for vfio-pci, but not nvidia",
		"/etc/modprobe.d/x.conf:1",
		"add 'softdep nvidia pre: vfio-pci' to /etc/modprobe.d/x.conf, run "
		"'update-initramfs -u -k all' and reboot"},
	/* Images and boots that are older than the configuration. */
	{DEBIAN IDS LOADED CARD("nouveau") "file /etc/initramfs-tools/modules vfio_pci\n"
					   "time 100 /boot/initrd.img-6.1\n"
					   "time 200 /etc/modprobe.d/vfio.conf\n",
		"/boot/initrd.img-6.1 was made before", "/etc/modprobe.d/vfio.conf",
		"run 'update-initramfs -u -k all' and reboot"},
	{DEBIAN IDS LOADED CARD("nouveau") "file /etc/initramfs-tools/modules vfio_pci\n"
					   "time 300 /boot/initrd.img-6.1\n"
					   "time 200 /etc/modprobe.d/vfio.conf\n"
					   "file /proc/stat cpu 1 2\\nbtime 150\\nx\n",
		"was changed after this boot", "/etc/modprobe.d/vfio.conf", "reboot"},
	{DEBIAN IDS CARD("nouveau") "file /etc/initramfs-tools/modules ext4\\nvfio_pci\n",
		"was not made anew", "/etc/initramfs-tools/modules:2",
		"run 'update-initramfs -u -k all' and reboot"},
	/* mkinitcpio: the order, several lines, the hook, a list that replaces another. */
	{ARCH IDS LOADED CARD("amdgpu") "file /etc/mkinitcpio.conf MODULES=(amdgpu vfio_pci)\\n"
					"HOOKS=(base udev modconf kms)\n",
		"loads amdgpu before vfio_pci", "/etc/mkinitcpio.conf:1",
		"put vfio_pci before amdgpu in line 1 of /etc/mkinitcpio.conf, run 'mkinitcpio -P' "
		"and reboot"},
	{ARCH IDS LOADED CARD("amdgpu") "file /etc/mkinitcpio.conf "
					"# MODULES=(vfio_pci)\\nMODULES=(\\n  amdgpu # x\\n  "
					"vfio-pci\\n)\n",
		"loads amdgpu before vfio_pci", "/etc/mkinitcpio.conf:2",
		"put vfio_pci before amdgpu in line 2 of /etc/mkinitcpio.conf, run 'mkinitcpio -P' "
		"and reboot"},
	{ARCH IDS LOADED CARD("nouveau") "file /etc/mkinitcpio.conf MODULES=(vfio_pci)\\n"
					 "HOOKS=(base udev kms block)\n",
		"without the hook modconf", "/etc/mkinitcpio.conf:2",
		"add 'modconf' to HOOKS in line 2 of /etc/mkinitcpio.conf, run 'mkinitcpio -P' and "
		"reboot"},
	{ARCH LINE_IDS CARD("nouveau") "file /etc/mkinitcpio.conf MODULES=(vfio_pci)\n"
				       "file /etc/mkinitcpio.conf.d/z.conf MODULES=(btrfs)\n",
		"nothing loads vfio-pci", "/sys/bus/pci/drivers/vfio-pci",
		"put 'vfio_pci' in front in line 1 of /etc/mkinitcpio.conf (MODULES), run "
		"'mkinitcpio -P' and reboot"},
	/* dracut: what copies a module does not load it; wrappers of distributions. */
	{DRACUT IDS LOADED CARD("nouveau") "file /etc/dracut.conf add_drivers+=\" vfio_pci "
					   "\"\n",
		"add_drivers only copies", "/etc/dracut.conf:1",
		"write force_drivers instead of add_drivers in line 1 of /etc/dracut.conf, "
		"run 'dracut --force' and reboot"},
	{DRACUT IDS CARD("nouveau"), "nothing loads vfio-pci", "/sys/bus/pci/drivers/vfio-pci",
		"add 'vfio_pci' to force_drivers in /etc/dracut.conf.d/vfio.conf, run "
		"'dracut --force' and reboot"},
	{KERNEL("6.8.5-301.fc40.x86_64", "") LINE_IDS LOADED CARD("nouveau"),
		"nothing makes nouveau wait", "/proc/cmdline",
		"add 'vfio_pci' to force_drivers in /etc/dracut.conf.d/vfio.conf, run "
		"'dracut --force' and reboot"},
	{DRACUT LOADED CARD("nouveau") "file /proc/cmdline rd.driver.pre=vfio-pci "
				       "vfio-pci.ids=10de:2484\n",
		"only if the initramfs has it", "/proc/cmdline",
		"add 'vfio_pci' to force_drivers in /etc/dracut.conf.d/vfio.conf, run "
		"'dracut --force' and reboot"},
	{DRACUT TOOL("/usr/sbin/transactional-update") IDS CARD("nouveau"), "nothing loads", NULL,
		"add 'vfio_pci' to force_drivers in /etc/dracut.conf.d/vfio.conf, run "
		"'transactional-update initrd' and reboot"},
	{DRACUT TOOL("/usr/bin/sdbootutil")
			IDS CARD("nouveau") "file /boot/loader/entries/a.conf options x\n",
		"nothing loads", NULL,
		"add 'vfio_pci' to force_drivers in /etc/dracut.conf.d/vfio.conf, run "
		"'sdbootutil mkinitrd' and reboot"},
	{DRACUT IDS CARD("nouveau") "file /usr/lib/modules/6.8/pkgbase linux-lts\n"
				    "file /boot/initramfs-linux-lts.img x\n",
		"nothing loads", NULL,
		"add 'vfio_pci' to force_drivers in /etc/dracut.conf.d/vfio.conf, run "
		"'dracut --force /boot/initramfs-linux-lts.img' and reboot"},
	{KERNEL("6.6", "") TOOL("/usr/bin/booster") IDS CARD(
		 "nouveau") "file /etc/booster.yaml modules_force_load: ext4,usbhid\n",
		"nothing loads", NULL,
		"put 'vfio_pci' in front in line 1 of /etc/booster.yaml (modules_force_load), run "
		"'/usr/lib/booster/regenerate_images' and reboot"},
	{KERNEL("6.6", "") IDS CARD("nouveau") "file /proc/cmdline init=/nix/store/x/init\n"
					       "file /etc/nixos/configuration.nix { x = 1;\\n "
					       "boot.initrd.kernelModules = [\\n \"nouveau\"\\n "
					       "];\\n}\n",
		"nothing loads", NULL,
		"put '\"vfio_pci\"' in front in line 2 of /etc/nixos/configuration.nix "
		"(boot.initrd.kernelModules), run 'nixos-rebuild boot' and reboot"},
	{KERNEL("6.6", "") IDS LOADED CARD("nouveau")
			TOOL("/usr/bin/rpm-ostree") "file /proc/cmdline ostree=/x\n",
		"has no copy of that file", "/etc/modprobe.d/vfio.conf:1",
		"run 'rpm-ostree initramfs-etc --track=/etc/modprobe.d/vfio.conf' and reboot"},
	{KERNEL("6.6", "") IDS CARD("nouveau")
			TOOL("/usr/bin/rpm-ostree") "file /proc/cmdline ostree=/x\n",
		"nothing loads", NULL,
		"run 'rpm-ostree initramfs --enable --arg=--force-drivers --arg=vfio-pci' and "
		"reboot"},
	/* Nobody is the owner of an initramfs that three tools may have made. */
	{KERNEL("6.6", "") IDS CARD("nouveau"), "nothing loads", NULL, UNKNOWN},
	/* Gentoo has ugrd beside dracut. */
	{KERNEL("6.6", "") TOOL("/usr/bin/dracut") TOOL("/usr/bin/ugrd") IDS CARD("nouveau"),
		"nothing loads", NULL, UNKNOWN},
	{ARCH TOOL("/usr/bin/dracut") TOOL("/usr/bin/booster") IDS CARD("nouveau"), "nothing loads",
		NULL, UNKNOWN},
	{ARCH TOOL("/usr/bin/dracut") "file /etc/mkinitcpio.conf MODULES=()\n" IDS CARD("nouveau"),
		"nothing loads", NULL,
		"put 'vfio_pci' in front in line 1 of /etc/mkinitcpio.conf (MODULES), run "
		"'mkinitcpio -P' and reboot"},
	{KERNEL("6.12-lts", "") TOOL("/sbin/mkinitfs") IDS CARD("nouveau"), "nothing loads", NULL,
		UNKNOWN},
	{KERNEL("6.6", "") TOOL("/usr/bin/genkernel") IDS CARD("nouveau"), "nothing loads", NULL,
		UNKNOWN},
	/* Unraid binds by itself. */
	{KERNEL("6.12-Unraid", "") BUILTIN("6.12-Unraid", "vfio-pci")
			LOADED TOOL("/etc/unraid-version") CARD("nvidia") UNRAID_FILE,
		"Unraid's own binding", "/boot/config/vfio-pci.cfg:1",
		"read its log: cat /var/log/vfio-pci"},
	{KERNEL("6.12-Unraid", "") TOOL("/etc/unraid-version") LOADED CARD("nvidia") UNRAID_FILE
		"time 200 /boot/config/vfio-pci.cfg\nfile /proc/stat btime 100\n",
		"changed after this boot", "/boot/config/vfio-pci.cfg", "reboot"},
};

/* Configuration that cannot work, whatever the devices do. */
static const struct early_row faults[] = {
	{ARCH "file /etc/mkinitcpio.conf MODULES=(vfio_pci vfio vfio_iommu_type1 vfio_virqfd)\n",
		"names vfio_virqfd, which is a part of vfio since Linux 6.2",
		"/etc/mkinitcpio.conf:1",
		"remove 'vfio_virqfd' from line 1 of /etc/mkinitcpio.conf (MODULES), run "
		"'mkinitcpio -P' and reboot"},
	{KERNEL("6.1", "kernel/vfio_virqfd.ko:") TOOL(
		 "/usr/bin/mkinitcpio") "file /etc/mkinitcpio.conf MODULES=(vfio_virqfd)\n",
		NULL, NULL, NULL},
	{DEBIAN "file /etc/initramfs-tools/modules vfio\\nvfio_pcii\n",
		"names vfio_pcii, which this kernel does not have",
		"/etc/initramfs-tools/modules:2",
		"remove 'vfio_pcii' from line 2 of /etc/initramfs-tools/modules, run "
		"'update-initramfs -u -k all' and reboot"},
	{DEBIAN "file /etc/modules vfio_virqfd\n", "names vfio_virqfd", "/etc/modules:1",
		"remove 'vfio_virqfd' from line 1 of /etc/modules, it has no effect"},
	/* A list of a tool that does not make this image says nothing. */
	{DEBIAN "file /etc/mkinitcpio.conf MODULES=(vfio_virqfd)\n", NULL, NULL, NULL},
	/* What does harm gets no help to its effect. */
	{KERNEL("6.1", "") BUILTIN("6.1", "vfio") "file /etc/modprobe.d/v.conf options vfio "
						  "enable_unsafe_noiommu_mode=1\n",
		"an option of vfio has no effect there", "/etc/modprobe.d/v.conf:1",
		"remove that line: usher advises against the option"},
	{KERNEL("6.1", "") BUILTIN("6.1",
		 "vfio-pci") "file /etc/modprobe.d/v.conf options vfio-pci ids=1:2 disable_vga=1\n",
		"an option of vfio_pci has no effect there", "/etc/modprobe.d/v.conf:1",
		"boot with 'vfio_pci.ids=1:2 vfio_pci.disable_vga=1' on the kernel command line; "
		"usher does not know what writes that line on this host"},
	{KERNEL("6.1", "") BUILTIN("6.1",
		 "vfio-pci") "file /proc/cmdline vfio-pci.ids=1:2\n"
			     "file /etc/modprobe.d/v.conf options vfio-pci ids=1:2 disable_vga=1\n",
		"an option of vfio_pci has no effect there", "/etc/modprobe.d/v.conf:1",
		"boot with 'vfio_pci.disable_vga=1' on the kernel command line; usher does not "
		"know what writes that line on this host"},
	{DEBIAN "file /etc/modprobe.d/v.conf options vfio-pci ids=10de:1b81, 10de:10f0\n",
		"vfio-pci does not get '10de:10f0'", "/etc/modprobe.d/v.conf:1",
		"remove the blank in front of '10de:10f0'"},
	{DEBIAN "file /proc/cmdline vfio-pci.ids=10de:1b81, 10de:10f0\n",
		"vfio-pci does not get '10de:10f0'", "/proc/cmdline:1",
		"remove the blank in front of '10de:10f0'"},
	{DEBIAN "file /etc/modprobe.d/v.conf options vfio-pci ids=0000:01:00.0\n", "is an address",
		"/etc/modprobe.d/v.conf:1", "to reserve that device: usher claim 0000:01:00.0"},
	{DEBIAN "file /etc/modprobe.d/v.conf options vfio-pci ids=10de:1b81:1:2\n", NULL, NULL,
		NULL},
	{DEBIAN "file /etc/modprobe.d/v.conf softdep nvidia pre vfio-pci\n", "neither 'pre:'",
		"/etc/modprobe.d/v.conf:1",
		"write 'softdep nvidia pre: vfio-pci' in line 1 of /etc/modprobe.d/v.conf"},
	{DEBIAN "file /etc/modprobe.d/v.conf softdep nvidia post: vfio-pci\n", "load after nvidia",
		"/etc/modprobe.d/v.conf:1",
		"write 'softdep nvidia pre: vfio-pci' in line 1 of /etc/modprobe.d/v.conf"},
	{DEBIAN "file /etc/modprobe.d/v.conf softdep nvidia pre: vfio-pci\n", NULL, NULL, NULL},
	{ARCH "file /proc/cmdline rd.driver.pre=vfio-pci\n", "is an option of dracut",
		"/proc/cmdline",
		"add 'vfio_pci' to MODULES in /etc/mkinitcpio.conf, run 'mkinitcpio -P' and "
		"reboot"},
	{DRACUT "file /proc/cmdline rd.driver.pre=vfio-pci\n", NULL, NULL, NULL},
	{DEBIAN IDS "time 9 /boot/initrd.img-6.1\ntime 10 /etc/modprobe.d/vfio.conf\n",
		"was made before", "/etc/modprobe.d/vfio.conf:1",
		"run 'update-initramfs -u -k all' and reboot"},
	{DEBIAN IDS "time 11 /boot/initrd.img-6.1\ntime 10 /etc/modprobe.d/vfio.conf\n", NULL, NULL,
		NULL},
	{KERNEL("5.4", "") BUILTIN("5.4", "vfio-pci") "file "
						      "/etc/initramfs-tools/scripts/init-top/v.sh "
						      "#!/bin/sh\\necho vfio-pci > "
						      "/sys/x/driver_override\\nmodprobe "
						      "vfio-pci\n",
		"nothing probes the devices again", "/etc/initramfs-tools/scripts/init-top/v.sh:2",
		"write each address to /sys/bus/pci/drivers_probe there, too, run "
		"'update-initramfs -u -k all' and reboot"},
};

static const struct check_finding *rule_finding(const struct check_report *r, const char *id)
{
	for (size_t i = 0; i < r->count; i++)
		if (strcmp(r->list[i].rule->id, id) == 0)
			return &r->list[i];
	return NULL;
}

static void row_compare(const struct early_row *row, const char *id)
{
	const struct check_request all = {0};
	struct host *h = replay_lines(row->host);
	struct check_report r;
	struct err e = {0};

	ck_assert_int_eq(check_run(h, &all, &r, &e), 0);
	const struct check_finding *f = rule_finding(&r, id);
	ck_assert_msg(!f == !row->reason, "on %s\n%s", row->host, f ? f->text : "silence");
	if (f) {
		ck_assert_msg(strstr(f->text, row->reason), "on %s\n%s", row->host, f->text);
		ck_assert_msg(!row->path || strcmp(f->path, row->path) == 0, "on %s\n%s: %s",
			row->host, f->text, f->path);
		ck_assert_msg(strcmp(f->fix, row->fix) == 0, "on %s\n%s\nfix:  %s\nwant: %s",
			row->host, f->text, f->fix, row->fix);
		ck_assert_int_eq(f->severity, CHECK_WARN);
	}
	check_report_fini(&r);
	host_close(h);
}

START_TEST(knows_why_another_driver_came_first)
{
	for (size_t i = 0; i < COUNT(races); i++)
		row_compare(&races[i], "P23");
}
END_TEST

START_TEST(finds_configuration_that_cannot_work)
{
	for (size_t i = 0; i < COUNT(faults); i++)
		row_compare(&faults[i], "H20");
}
END_TEST

SUITE("early", knows_why_another_driver_came_first, finds_configuration_that_cannot_work)
