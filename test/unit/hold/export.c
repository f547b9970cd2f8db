/* SPDX-License-Identifier: MIT */
#include "asked.h"
#include "suite.h"

#include <stdio.h>
#include <string.h>

#define NVMET "at /sys/kernel/config/nvmet/subsystems/nqn.2014-08.org:t1\n"

/* The kernel's storage targets open a disk without a claim, by any path to it. */
START_TEST(finds_exports)
{
	struct pci_device d = nvme_device();
	struct hold o =
		hold_only(DISK NVMET "file namespaces/1/device_path /dev/disk/by-id/nvme-x\n"
				     "file namespaces/1/enable 1\n"
				     "file passthru/device_path \nfile passthru/enable 0\n"
				     "number b259:0 /dev/disk/by-id/nvme-x\n",
			&d);

	hold_is(&o, "block", "nvme0n1",
		"exported by nvmet: subsystem nqn.2014-08.org:t1, namespace 1");
	ck_assert(!o.absolute && !o.unsure);
	/* A disabled namespace; another disk; a file, whose file system is mounted. */
	hold_none(DISK NVMET "file namespaces/1/device_path /dev/x\nfile namespaces/1/enable 0\n"
			     "number b259:0 /dev/x\n",
		&d);
	hold_none(DISK NVMET "file namespaces/1/device_path /dev/x\nfile namespaces/1/enable 1\n"
			     "number b8:0 /dev/x\n",
		&d);
	hold_none(DISK NVMET "file namespaces/1/device_path /x\nfile namespaces/1/enable 1\n"
			     "number f259:0 /x\n",
		&d);
	/* A volume on a partition. */
	o = hold_only(DISK "dir nvme0n1p1/holders/dm-0\nfile /sys/class/block/dm-0/dm/name vg-lun\n"
			   "file /sys/class/block/dm-0/dev 253:0\n" NVMET
			   "file namespaces/7/device_path /dev/vg/lun\n"
			   "file namespaces/7/enable 1\nnumber b253:0 /dev/vg/lun\n",
		&d);
	ck_assert_str_eq(o.text, "part of dm-0 (vg-lun), exported by nvmet: subsystem "
				 "nqn.2014-08.org:t1, namespace 7");
}
END_TEST

START_TEST(finds_exported_controllers)
{
	struct pci_device d = nvme_device();
	static const char export[] = NVMET "file passthru/device_path /dev/nvme7\n"
					   "file passthru/enable 1\n"
					   "number c243:0 /dev/nvme7\n"
					   "link /sys/dev/char/243:0 " BELOW "/nvme/nvme0\n";
	struct hold o = hold_only(export, &d);

	hold_is(&o, "block", "nvme0",
		"exported by nvmet: subsystem nqn.2014-08.org:t1, the whole controller");
	d.address.bus = 3;
	hold_none(export, &d);
}
END_TEST

START_TEST(finds_exports_of_other_targets)
{
	static const struct {
		const char *settings, *text;
	} targets[] = {
		{"at /sys/kernel/config/target/core/iblock_0/fast\nfile enable 1\n"
		 "file udev_path /dev/gone\n"
		 "file info Status: ACTIVATED\\n        Major: 259 Minor: 0  CLAIMED: IBLOCK\n",
			"exported by LIO: backstore iblock_0/fast"},
		{"at /sys/kernel/config/target/core/fileio_1/slow\nfile enable 1\n"
		 "file udev_path /dev/x\nnumber b259:0 /dev/a b\n"
		 "file info TCM FILEIO ID: 0        File: /dev/a b  Size: 1  Mode: O_DSYNC\n",
			"exported by LIO: backstore fileio_1/slow"},
		{"file /sys/kernel/config/usb_gadget/g1/functions/mass_storage.0/lun.0/file "
		 "/dev/x\nnumber b259:0 /dev/x\n",
			"exported by USB gadget g1: mass_storage.0, lun.0"},
		{"file /sys/kernel/config/cluster/c1/heartbeat/r1/dev nvme0n1\n"
		 "number b259:0 /dev/nvme0n1\n",
			"heartbeat of cluster c1: region r1"},
		{"link /sys/class/rnbd-server/ctl/devices/d1/block_dev ../../block/nvme0n1\n"
		 "number b259:0 /dev/nvme0n1\n",
			"exported by rnbd: device d1"},
	};
	struct pci_device d = nvme_device();
	char text[2048];

	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		(void)snprintf(text, sizeof(text), DISK "%s", targets[i].settings);
		ck_assert_str_eq(hold_only(text, &d).text, targets[i].text);
	}
}
END_TEST

START_TEST(counts_exports_out_of_sight_as_held)
{
	struct pci_device d = nvme_device();
	struct hold o = hold_only(DISK NVMET "file namespaces/1/device_path /srv/box/dev/x\n"
					     "file namespaces/1/enable 1\n",
		&d);

	ck_assert(o.unsure);
	ck_assert_str_eq(o.object, "nvme0n1");
	ck_assert_ptr_nonnull(strstr(o.text, "cannot be told: '/srv/box/dev/x'"));
	/* A target whose configuration file system is not mounted. */
	o = hold_only(DISK "dir /sys/module/nvmet\n", &d);
	ck_assert(o.unsure);
	ck_assert_ptr_nonnull(strstr(o.text, "exported by nvmet cannot be told"));
	hold_none(DISK "dir /sys/module/nvmet\ndir /sys/kernel/config/nvmet\n", &d);
	/* What LIO has in memory, or what a process serves, is on no disk. */
	hold_none(DISK "at /sys/kernel/config/target/core/rd_mcp_0/ram\nfile enable 1\n"
		       "file udev_path /dev/x\nfile info Status: ACTIVATED\n",
		&d);
	hold_none(DISK "at /sys/kernel/config/target/core/user_0/qcow\nfile enable 1\n"
		       "file udev_path /dev/x\nfile info Status: ACTIVATED\n",
		&d);
}
END_TEST

SUITE("export", finds_exports, finds_exported_controllers, finds_exports_of_other_targets,
	counts_exports_out_of_sight_as_held)
