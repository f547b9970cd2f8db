/* SPDX-License-Identifier: MIT */
#include "hold/hold.h"

#include "base/err.h"
#include "host/host.h"
#include "pci/device.h"
#include "suite.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The device in question, 0000:02:00.0, and a root port above it, 0000:00:06.0. */
#define BELOW "../../devices/pci0000:00/0000:00:06.0/0000:02:00.0"

static struct holds ask(const char *text, const struct pci_device *d)
{
	char path[] = "/tmp/usher-hold-XXXXXX";
	struct host *h = NULL;
	struct holds found;
	struct err e = {0};
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_gt(dprintf(fd, "usher-host 1\n%s", text), 0);
	(void)close(fd);
	int r = host_snapshot_open(path, &h, &e);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_msg(r == 0, "%s", e.msg);
	ck_assert_msg(hold_find(h, d, &found, &e) == 0, "%s", e.msg);
	host_close(h);
	return found;
}

static struct pci_device nvme(void)
{
	return (struct pci_device){
		.address = {.bus = 2},
		.class = 0x010802,
		.group = 7,
		.driver = "nvme",
	};
}

/* The one answer that @text must give about the device. */
static struct hold only(const char *text, const struct pci_device *d)
{
	struct holds found = ask(text, d);

	for (size_t i = 1; i < found.count; i++)
		ck_abort_msg("also: %s %s %s", found.list[i].check, found.list[i].object,
			found.list[i].text);
	ck_assert_uint_eq(found.count, 1);
	struct hold o = found.list[0];
	holds_fini(&found);
	return o;
}

static void none(const char *text, const struct pci_device *d)
{
	struct holds found = ask(text, d);

	if (found.count)
		ck_abort_msg(
			"%s %s %s", found.list[0].check, found.list[0].object, found.list[0].text);
	holds_fini(&found);
}

#define DISK                                                                        \
	"link /sys/class/block/nvme0n1 " BELOW "/nvme/nvme0/nvme0n1\n"              \
	"link /sys/class/block/nvme0n1p1 " BELOW "/nvme/nvme0/nvme0n1/nvme0n1p1\n"  \
	"at /sys/devices/pci0000:00/0000:00:06.0/0000:02:00.0/nvme/nvme0/nvme0n1\n" \
	"file dev 259:0\nfile hidden 0\nfile nvme0n1p1/dev 259:1\nfile nvme0n1p1/partition 1\n"

#define MOUNTS "file /proc/self/mountinfo 22 1 0:20 / /proc rw shared:5 - proc proc rw\\n"

START_TEST(leaves_free_disks_alone)
{
	struct pci_device d = nvme();

	none("", &d);
	none(DISK MOUNTS "30 22 8:1 / / rw - ext4 /dev/sda1 rw\n", &d);
	/* Another function whose address this one's is a part of. */
	none("link /sys/class/block/sda ../../devices/pci0000:00/10000:02:00.0/host0/sda\nbusy "
	     "sda\n",
		&d);
}
END_TEST

START_TEST(finds_mounts)
{
	struct pci_device d = nvme();
	struct hold o = only(DISK MOUNTS "30 22 259:1 / /srv/my\\\\040data rw - ext4 /dev/x rw\n"
					 "busy nvme0n1\nbusy nvme0n1p1\n",
		&d);

	ck_assert_str_eq(o.check, "block");
	ck_assert_str_eq(o.object, "nvme0n1p1");
	ck_assert_str_eq(o.text, "mounted at /srv/my\\040data");
	ck_assert(!o.absolute && !o.unsure);
	/* btrfs tells the node, not the number. */
	o = only(DISK MOUNTS "30 22 0:44 / /srv rw shared:1 - btrfs /dev/nvme0n1p1 rw\n"
			     "busy nvme0n1p1\nbusy nvme0n1\n",
		&d);
	ck_assert_str_eq(o.text, "mounted at /srv");
}
END_TEST

START_TEST(keeps_what_the_host_needs)
{
	struct pci_device d = nvme();
	static const char *const places[] = {"/", "/boot", "/boot/efi", "/usr"};
	char text[2048];

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		(void)snprintf(text, sizeof(text),
			DISK MOUNTS "30 22 259:1 / %s rw - ext4 /dev/x rw\nbusy nvme0n1p1\n",
			places[i]);
		ck_assert_msg(only(text, &d).absolute, "%s", places[i]);
	}
	/* However many other places it is mounted at. */
	struct hold o = only(DISK MOUNTS
		"1 2 259:1 / /a rw - ext4 x rw\\n1 2 259:1 / /b rw - ext4 x rw"
		"\\n1 2 259:1 / /c rw - ext4 x rw\\n1 2 259:1 / / rw - ext4 x rw\n",
		&d);
	ck_assert(o.absolute);
	ck_assert_str_eq(o.text, "mounted at /a, mounted at /b, mounted at /");
}
END_TEST

/* Seen from a chroot, or from a mount namespace of one's own. */
START_TEST(looks_through_the_eyes_of_the_first_process)
{
	struct pci_device d = nvme();
	struct hold o =
		only(DISK MOUNTS "30 22 259:1 / /mnt rw - ext4 /dev/x rw\n"
				 "file /proc/1/mountinfo 30 1 259:1 / / rw - ext4 /dev/x rw\n"
				 "busy nvme0n1p1\n",
			&d);

	ck_assert(o.absolute);
	ck_assert_str_eq(o.text, "mounted at /mnt, mounted at /");
	/* What both see is told once. */
	o = only(DISK MOUNTS "30 22 259:1 / /srv rw - ext4 x rw\n"
			     "file /proc/1/mountinfo 30 22 259:1 / /srv ro - ext4 x rw\n",
		&d);
	ck_assert(!o.absolute);
	ck_assert_str_eq(o.text, "mounted at /srv");
	/* A root that lies over others, one of them perhaps on this disk. */
	o = only(DISK
		"file /proc/1/mountinfo 30 1 0:33 / / rw - overlay overlay rw\nbusy nvme0n1\n",
		&d);
	ck_assert(o.absolute);
}
END_TEST

START_TEST(follows_volumes)
{
	struct pci_device d = nvme();
	struct hold o = only(DISK MOUNTS "30 22 253:0 / / rw - ext4 /dev/mapper/vg-root rw\n"
					 "dir nvme0n1p1/holders/dm-1\n"
					 "at /sys/class/block\n"
					 "file dm-1/dm/name luks\nfile dm-1/dev 253:1\n"
					 "dir dm-1/holders/dm-0\n"
					 "file dm-0/dm/name vg-root\nfile dm-0/dev 253:0\n"
					 "busy nvme0n1p1\nbusy nvme0n1\n",
		&d);

	ck_assert_str_eq(o.object, "nvme0n1p1");
	ck_assert_str_eq(o.text, "part of dm-1 (luks), part of dm-0 (vg-root), mounted at /");
	ck_assert(o.absolute);
	/* Holders that go in a circle, as only a hostile snapshot has them, end. */
	o = only("link /sys/class/block/sda " BELOW "/sda\n"
		 "dir /sys/devices/pci0000:00/0000:00:06.0/0000:02:00.0/sda/holders/sda\n",
		&d);
	ck_assert_str_eq(o.object, "sda");
}
END_TEST

#define LOOPS                                                                       \
	"link /sys/class/block/loop0 ../../devices/virtual/block/loop0\n"           \
	"link /sys/class/block/loop1 ../../devices/virtual/block/loop1\n"           \
	"link /sys/class/block/loop1p2 ../../devices/virtual/block/loop1/loop1p2\n" \
	"file /sys/devices/virtual/block/loop0/dev 7:0\n"                           \
	"file /sys/devices/virtual/block/loop1/dev 7:1\n"                           \
	"file /sys/devices/virtual/block/loop1/loop1p2/dev 259:9\n"
#define LOOP0 "file /sys/devices/virtual/block/loop0/loop/backing_file "
#define LOOP1 "file /sys/devices/virtual/block/loop1/loop/backing_file "

/* Nothing else tells of a loop device: no claim is taken, and holders/ has no entry. */
START_TEST(finds_loops)
{
	struct pci_device d = nvme();
	struct hold o;

	/* Free ones, one over a file, one over another disk whose name this one's is a part of. */
	none(DISK LOOPS LOOP0 "/srv/nvme0n1\n" LOOP1 "/dev/nvme0n1p10\n", &d);
	none(DISK LOOPS LOOP0 "/dev/nvme0n10\n" LOOP1 "/dev/xnvme0n1\n", &d);
	o = only(DISK LOOPS LOOP0 "/dev/nvme0n1\n", &d);
	ck_assert_str_eq(o.check, "block");
	ck_assert_str_eq(o.object, "nvme0n1");
	ck_assert_str_eq(o.text, "below loop0");
	ck_assert(!o.absolute && !o.unsure);
	o = only(
		DISK LOOPS LOOP1 "/dev/nvme0n1p1\n" MOUNTS "30 22 7:1 / /mnt rw - ext4 x rw\n", &d);
	ck_assert_str_eq(o.object, "nvme0n1p1");
	ck_assert_str_eq(o.text, "below loop1, mounted at /mnt");
	ck_assert(!o.absolute);
	/* Its node is gone; it was opened in a container's /dev, or in one mounted nowhere. */
	ck_assert_str_eq(only(DISK LOOPS LOOP0 "/dev/nvme0n1 (deleted)\n", &d).text, "below loop0");
	ck_assert_str_eq(only(DISK LOOPS LOOP0 "/srv/box/dev/nvme0n1\n", &d).text, "below loop0");
	ck_assert_str_eq(only(DISK LOOPS LOOP0 "/nvme0n1\n", &d).text, "below loop0");
}
END_TEST

START_TEST(keeps_what_the_host_needs_over_loops)
{
	struct pci_device d = nvme();
	struct hold o = only(DISK LOOPS LOOP0 "/dev/nvme0n1p1\n" MOUNTS
					      "30 22 7:0 / / rw - ext4 /dev/loop0 rw\n",
		&d);

	ck_assert_str_eq(o.text, "below loop0, mounted at /");
	ck_assert(o.absolute);
	/* On a partition of a loop device over another one. */
	o = only(DISK LOOPS LOOP0 "/dev/nvme0n1\n" LOOP1 "/dev/loop0\n" MOUNTS
				  "30 22 259:9 / / rw - ext4 /dev/x rw\n",
		&d);
	ck_assert_str_eq(o.text, "below loop0, below loop1, partition loop1p2, mounted at /");
	ck_assert(o.absolute);
	/* Over a volume, by either of its names. */
	static const char *const volumes[] = {"/dev/dm-0", "/dev/mapper/vg-root"};
	for (size_t i = 0; i < sizeof(volumes) / sizeof(volumes[0]); i++) {
		char text[2048];
		(void)snprintf(text, sizeof(text),
			DISK LOOPS "dir nvme0n1p1/holders/dm-0\n"
				   "at /sys/class/block\nfile dm-0/dm/name vg-root\n" LOOP1
				   "%s\n" MOUNTS "30 22 7:1 / /usr rw - ext4 x rw\n",
			volumes[i]);
		o = only(text, &d);
		ck_assert_str_eq(o.text, "part of dm-0 (vg-root), below loop1, mounted at /usr");
		ck_assert(o.absolute);
	}
	/* One over itself, as only a hostile snapshot has it, ends. */
	o = only(DISK LOOPS LOOP0
		"/dev/nvme0n1\n" LOOP1 "/dev/loop1\n"
		"link /sys/class/block/loop2 ../../devices/virtual/block/loop2\n"
		"file /sys/devices/virtual/block/loop2/loop/backing_file /dev/loop0\n"
		"dir /sys/devices/virtual/block/loop2/holders/loop0\n",
		&d);
	ck_assert_str_eq(o.object, "nvme0n1");
}
END_TEST

#define NVMET "at /sys/kernel/config/nvmet/subsystems/nqn.2014-08.org:t1\n"

/* The kernel's targets open a disk without a claim, by any path that leads to it. */
START_TEST(finds_exports)
{
	struct pci_device d = nvme();
	struct hold o = only(DISK NVMET "file namespaces/1/device_path /dev/disk/by-id/nvme-x\n"
					"file namespaces/1/enable 1\n"
					"file passthru/device_path \nfile passthru/enable 0\n"
					"number b259:0 /dev/disk/by-id/nvme-x\n",
		&d);

	ck_assert_str_eq(o.check, "block");
	ck_assert_str_eq(o.object, "nvme0n1");
	ck_assert_str_eq(o.text, "exported by nvmet: subsystem nqn.2014-08.org:t1, namespace 1");
	ck_assert(!o.absolute && !o.unsure);
	/* Switched off; another disk; a file, whose file system is mounted. */
	none(DISK NVMET "file namespaces/1/device_path /dev/x\nfile namespaces/1/enable 0\n"
			"number b259:0 /dev/x\n",
		&d);
	none(DISK NVMET "file namespaces/1/device_path /dev/x\nfile namespaces/1/enable 1\n"
			"number b8:0 /dev/x\n",
		&d);
	none(DISK NVMET "file namespaces/1/device_path /x\nfile namespaces/1/enable 1\n"
			"number f259:0 /x\n",
		&d);
	/* A volume on a partition. */
	o = only(DISK "dir nvme0n1p1/holders/dm-0\nfile /sys/class/block/dm-0/dm/name vg-lun\n"
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
	struct pci_device d = nvme();
	static const char export[] = NVMET "file passthru/device_path /dev/nvme7\n"
					   "file passthru/enable 1\n"
					   "number c243:0 /dev/nvme7\n"
					   "link /sys/dev/char/243:0 " BELOW "/nvme/nvme0\n";
	struct hold o = only(export, &d);

	ck_assert_str_eq(o.object, "nvme0");
	ck_assert_str_eq(
		o.text, "exported by nvmet: subsystem nqn.2014-08.org:t1, the whole controller");
	d.address.bus = 3;
	none(export, &d);
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
	struct pci_device d = nvme();
	char text[2048];

	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		(void)snprintf(text, sizeof(text), DISK "%s", targets[i].settings);
		ck_assert_str_eq(only(text, &d).text, targets[i].text);
	}
}
END_TEST

START_TEST(counts_exports_out_of_sight_as_held)
{
	struct pci_device d = nvme();
	struct hold o = only(DISK NVMET "file namespaces/1/device_path /srv/box/dev/x\n"
					"file namespaces/1/enable 1\n",
		&d);

	ck_assert(o.unsure);
	ck_assert_str_eq(o.object, "nvme0n1");
	ck_assert_ptr_nonnull(strstr(o.text, "cannot be told: '/srv/box/dev/x'"));
	/* A target without the file system that it is set up by. */
	o = only(DISK "dir /sys/module/nvmet\n", &d);
	ck_assert(o.unsure);
	ck_assert_ptr_nonnull(strstr(o.text, "exported by nvmet cannot be told"));
	none(DISK "dir /sys/module/nvmet\ndir /sys/kernel/config/nvmet\n", &d);
}
END_TEST

START_TEST(finds_swap)
{
	struct pci_device d = nvme();
	struct hold o =
		only(DISK "file /proc/swaps Filename Type Size Used Priority\\n"
			  "/dev/nvme0n1p1 partition 1000 0 -2\nbusy nvme0n1p1\nbusy nvme0n1\n",
			&d);

	ck_assert_str_eq(o.text, "swap space");
	ck_assert_str_eq(o.object, "nvme0n1p1");
}
END_TEST

START_TEST(believes_the_claim)
{
	struct pci_device d = nvme();
	struct hold o = only(DISK "busy nvme0n1\n", &d);

	ck_assert_str_eq(o.object, "nvme0n1");
	ck_assert_ptr_nonnull(strstr(o.text, "in use by the kernel"));
	ck_assert(!o.absolute);
	o = only(DISK MOUNTS "30 1 0:33 / / rw - zfs rpool/root rw\nbusy nvme0n1\n", &d);
	ck_assert(o.absolute);
}
END_TEST

START_TEST(counts_the_unknown_as_held)
{
	struct pci_device d = nvme();
	struct hold o = only("link /sys/class/block/sda " BELOW "/sda\n"
			     "fail /sys/devices/pci0000:00/0000:00:06.0/0000:02:00.0/sda EIO\n",
		&d);

	ck_assert_str_eq(o.object, "sda");
	ck_assert(o.unsure);
	o = only("blind\n", &d);
	ck_assert_str_eq(o.check, "fd");
	ck_assert(o.unsure);
	d.driver[0] = '\0'; /* no driver, no nodes, nobody */
	none("blind\n", &d);
}
END_TEST

#define MULTIPATH                                                                          \
	"link /sys/class/nvme-subsystem/nvme-subsys0 "                                     \
	"../../devices/virtual/nvme-subsystem/nvme-subsys0\n"                              \
	"link /sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0 ../../../pci0000:00/" \
	"0000:00:06.0/0000:02:00.0/nvme/nvme0\n"                                           \
	"link /sys/class/block/nvme0n1 "                                                   \
	"../../devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1\n"                      \
	"link /sys/class/block/nvme0c0n1 " BELOW "/nvme/nvme0/nvme0c0n1\n"                 \
	"file /sys/devices/pci0000:00/0000:00:06.0/0000:02:00.0/nvme/nvme0/nvme0c0n1/hidden 1\n"

START_TEST(sees_through_nvme_multipath)
{
	struct pci_device d = nvme();
	struct pci_device other = {.address = {.bus = 3}};
	struct hold o = only(MULTIPATH "busy nvme0n1\nbusy nvme0c0n1\n", &d);

	ck_assert_str_eq(o.object, "nvme0n1");
	none(MULTIPATH "busy nvme0n1\n", &other);
}
END_TEST

#define ETH                                             \
	"link /sys/class/net/eth0 " BELOW "/net/eth0\n" \
	"file /sys/devices/pci0000:00/0000:00:06.0/0000:02:00.0/net/eth0/flags 0x1003\n"

START_TEST(finds_routes)
{
	struct pci_device d = nvme();
	struct hold o;

	none(ETH "file /proc/net/route Iface\\nlo 0000007F 00000000 0001 0 0 0 000000FF\n", &d);
	o = only(ETH "file /proc/net/route Iface\\n"
		     "eth0 0002000A 00000000 0001 0 0 0 00FFFFFF 0 0 0\\n"
		     "eth0 00000000 0202000A 0003 0 0 0 00000000 0 0 0\n",
		&d);
	ck_assert_str_eq(o.check, "net");
	ck_assert_str_eq(o.object, "eth0");
	ck_assert_str_eq(o.text, "carries the route to default and 1 more");
	o = only(ETH
		"file /proc/net/route Iface\\neth0 0002000A 00000000 0001 0 0 0 00FFFFFF 0 0 0\n",
		&d);
	ck_assert_str_eq(o.text, "carries the route to 10.0.2.0/24");
	/* fe80::/64 and ff00::/8 are on every interface that is up. */
	o = only(ETH "file /proc/net/ipv6_route "
		     "fe800000000000000000000000000000 40 00000000000000000000000000000000 00 "
		     "00000000000000000000000000000000 00000100 00000001 00000000 00000001 eth0\\n"
		     "fd000000000000000000000000000000 30 00000000000000000000000000000000 00 "
		     "00000000000000000000000000000000 00000100 00000001 00000000 00000001 eth0\n",
		&d);
	ck_assert_str_eq(o.text, "carries the route to fd00::/48");
}
END_TEST

START_TEST(finds_addresses)
{
	struct pci_device d = nvme();
	struct hold o = only(ETH "address eth0 fe80::1/64\naddress eth0 192.0.2.7/32\n", &d);

	ck_assert_str_eq(o.text, "has the address 192.0.2.7/32");
	none(ETH "address eth0 fe80::1/64\naddress eth1 192.0.2.7/24\n", &d);
	none("link /sys/class/net/eth0 " BELOW "/net/eth0\naddress eth0 192.0.2.7/24\n"
	     "file /sys/devices/pci0000:00/0000:00:06.0/0000:02:00.0/net/eth0/flags 0x1002\n",
		&d);
}
END_TEST

START_TEST(follows_bridges)
{
	struct pci_device d = nvme();
	struct holds f = ask(ETH
		"at /sys/devices/pci0000:00/0000:00:06.0/0000:02:00.0/net/eth0\n"
		"link master ../../../../../virtual/net/bond0\n"
		"link upper_bond0 ../../../../../virtual/net/bond0\n"
		"link /sys/class/net/bond0 ../../devices/virtual/net/bond0\n"
		"link /sys/devices/virtual/net/bond0/upper_bond0.7 ../bond0.7\n"
		"link /sys/class/net/bond0.7 ../../devices/virtual/net/bond0.7\n"
		"dir /sys/devices/virtual/net/bond0.7/upper_bond0\n" /* a circle ends */
		"file /proc/net/route I\\nbond0.7 00000000 0202000A 0003 0 0 0 00000000 0 0 0\n",
		&d);

	ck_assert_uint_eq(f.count, 2);
	ck_assert_str_eq(f.list[0].object, "eth0");
	ck_assert_str_eq(f.list[0].text, "carries the route to default through bond0.7");
	ck_assert_str_eq(f.list[1].text, "part of bond0");
	holds_fini(&f);
}
END_TEST

static struct pci_device card(uint32_t class, const char *driver)
{
	struct pci_device d = {.address = {.bus = 2}, .class = class};

	(void)snprintf(d.driver, sizeof(d.driver), "%s", driver);
	return d;
}

#define FUNCTION                                                                           \
	"link /sys/bus/pci/devices/0000:02:00.0 ../../../devices/pci0000:00/0000:00:06.0/" \
	"0000:02:00.0\n"                                                                   \
	"at /sys/devices/pci0000:00/0000:00:06.0/0000:02:00.0\n"

/* A `net` folder with nothing in it that this namespace may see. */
START_TEST(finds_interfaces_that_are_elsewhere)
{
	struct pci_device wired = card(0x020000, "e1000e"), wireless = card(0x0d8000, "iwlwifi");
	struct pci_device virtio = card(0x020000, "virtio-pci"), usb = card(0x0c0330, "xhci_hcd");
	struct pci_device lent = card(0x020000, "vfio-pci"), idle = card(0x020000, "");
	static const char nested[] =
		FUNCTION "dir virtio1/net\ndir usb1/1-4/1-4:1.0/net\n"
			 "at /sys/bus\n"
			 "link virtio/devices/virtio1 ../../" BELOW "/virtio1\n"
			 "link usb/devices/1-4 ../../" BELOW "/usb1/1-4\n"
			 "link usb/devices/1-4:1.0 ../../" BELOW "/usb1/1-4/1-4:1.0\n";
	struct hold o = only(FUNCTION "dir net\n", &wired);

	ck_assert_str_eq(o.check, "net");
	ck_assert_str_eq(o.object, "net");
	ck_assert_ptr_nonnull(strstr(o.text, "in another network namespace"));
	ck_assert(!o.absolute);
	ck_assert_str_eq(only(FUNCTION "dir net\n", &wireless).object, "net");
	/* One that is here; a driver without interfaces; no driver. */
	none(FUNCTION "dir net/eth0\n" ETH, &wired);
	none(FUNCTION "file class 0x020000\n", &wired);
	none(FUNCTION "file class 0x020000\n", &lent);
	none(FUNCTION "dir net\n", &idle);
	none("", &wired);
	/* One storey deeper, and there below another function. */
	struct holds f = ask(nested, &virtio);
	ck_assert_uint_eq(f.count, 2);
	holds_fini(&f);
	f = ask(nested, &usb);
	ck_assert_uint_eq(f.count, 2);
	ck_assert_str_eq(f.list[0].check, "net");
	holds_fini(&f);
	virtio.address.bus = 3;
	none(nested, &virtio);
}
END_TEST

START_TEST(finds_the_ssh_session)
{
	struct pci_device d = nvme();
	/* sudo has taken the variable away; the parent's parent has it. */
	struct holds f = ask(ETH "file /proc/self/environ HOME=/root\\x00TERM=xterm\\x00\n"
				 "file /proc/self/stat 900 (us) er) R 800 900 900 0\n"
				 "file /proc/800/stat 800 (sudo) S 700 800 800 0\n"
				 "file /proc/800/environ A=B\\x00\n"
				 "file /proc/700/environ "
				 "SSH_CONNECTION=198.51.100.9 50000 192.0.2.7 22\\x00\n"
				 "address eth0 192.0.2.7/24\n",
		&d);

	ck_assert_uint_eq(f.count, 2);
	ck_assert_str_eq(f.list[0].text, "this SSH session comes in by it (192.0.2.7)");
	ck_assert_str_eq(f.list[1].text, "has the address 192.0.2.7/24");
	holds_fini(&f);
}
END_TEST

START_TEST(finds_open_groups)
{
	struct pci_device d = nvme();
	struct hold o =
		only("file /sys/class/vfio/7/dev 243:0\n"
		     "file /sys/class/vfio/8/dev 243:1\n"
		     "file /etc/passwd root:x:0:0::/root:/bin/sh\\nvm:x:64055:1::/:/bin/false\n"
		     "holder 41 64055 243:0 qemu-system-x86\n"
		     "holder 42 0 243:1 other\nholder 43 0 b243:0 block\n",
			&d);

	ck_assert_str_eq(o.check, "vfio");
	ck_assert_str_eq(o.object, "vfio/7");
	ck_assert_str_eq(o.text, "its group is open in qemu-system-x86 (pid 41, vm)");
	ck_assert(o.absolute); /* a second open is EBUSY */
}
END_TEST

START_TEST(finds_open_nodes)
{
	struct pci_device d = nvme();
	struct hold o =
		only("link /sys/dev/char/226:1 " BELOW "/drm/card1\n"
		     "file /sys/devices/pci0000:00/0000:00:06.0/0000:02:00.0/drm/card1/uevent "
		     "MAJOR=226\\nMINOR=1\\nDEVNAME=dri/card1\n"
		     "holder 1203 1000 226:1 Xorg\nholder 1203 1000 226:1 Xorg\n"
		     "holder 1204 0 226:0 other\nholder 1204 0 1:3 null\n",
			&d);

	ck_assert_str_eq(o.check, "fd");
	ck_assert(!o.absolute);
	ck_assert_str_eq(o.object, "dri/card1");
	ck_assert_str_eq(o.text, "open in Xorg (pid 1203, uid 1000)");
	o = only("link /sys/dev/block/8:0 " BELOW
		 "/ata1/sda\nholder 9 0 b8:0 dd\nholder 10 0 8:0 no\n",
		&d);
	ck_assert_str_eq(o.object, "sda");
	o = only("link /sys/dev/char/511:0 " BELOW "/vfio-dev/vfio0\nholder 9 0 511:0 vmm\n", &d);
	ck_assert_str_eq(o.check, "vfio");
	ck_assert(o.absolute);
	/* NVIDIA's driver has no link there. */
	struct pci_device n = {.address = {.bus = 2}, .class = 0x030000, .driver = "nvidia"};
	o = only("file /proc/driver/nvidia/gpus/0000:02:00.0/information "
		 "Model: X\\nDevice Minor: \t 3\\n\nholder 5 64055 195:3 python3\n"
		 "holder 6 0 195:2 no\n"
		 "file /etc/passwd root:x:0:0::/root:/bin/sh\\nvm:x:64055:1::/:/bin/false\n",
		&n);
	ck_assert_str_eq(o.check, "gpu");
	ck_assert_str_eq(o.object, "nvidia3");
	ck_assert_str_eq(o.text, "open in python3 (pid 5, vm)");
}
END_TEST

START_TEST(escapes_hostile_names)
{
	struct pci_device d = nvme();
	struct hold o = only("link /sys/dev/char/226:1 " BELOW "/drm/card1\n"
			     "holder 7 0 226:1 \\x1b[2J\\x0d\\nok\\x9b1m\n",
		&d);

	ck_assert_str_eq(o.text, "open in \\x1b[2J\\x0d\\x0aok\\x9b1m (pid 7, uid 0)");
	o = only("link /sys/class/block/sda\x1b]0;x " BELOW "/sda\nbusy sda\x1b]0;x\n", &d);
	ck_assert_str_eq(o.object, "sda\\x1b]0;x");
}
END_TEST

START_TEST(finds_working_virtual_functions)
{
	struct pci_device d = nvme();
	struct hold o = only("at /sys/bus/pci/devices\nfile 0000:02:00.0/sriov_numvfs 2\n"
			     "link 0000:02:00.0/virtfn0 ../0000:02:00.1\n"
			     "link 0000:02:00.0/virtfn1 ../0000:02:00.2\n"
			     "dir 0000:02:00.1\n"
			     "link 0000:02:00.2/driver ../../../drivers/vfio-pci\n",
		&d);

	ck_assert_str_eq(o.check, "sriov");
	ck_assert_str_eq(o.object, "0000:02:00.2");
	ck_assert_str_eq(o.text, "virtual function of it, bound to vfio-pci");
}
END_TEST

#define KEYBOARD                                                                       \
	"link /sys/class/input/input3 " BELOW "/usb1/1-1/input/input3\n"               \
	"at /sys/devices/pci0000:00/0000:00:06.0/0000:02:00.0/usb1/1-1/input/input3\n" \
	"file capabilities/ev 120013\nfile name A keyboard\n"

START_TEST(finds_the_last_keyboard)
{
	struct pci_device d = nvme();
	struct hold o =
		only(KEYBOARD "link /sys/class/input/input1 ../../devices/LNXSYSTM:00/input1\n"
			      "file /sys/devices/LNXSYSTM:00/input1/capabilities/ev 3\n",
			&d);

	ck_assert_str_eq(o.check, "input");
	ck_assert_str_eq(o.text, "the only keyboard of this host (A keyboard)");
	none(KEYBOARD "link /sys/class/input/input1 ../../devices/platform/i8042/input1\n"
		      "file /sys/devices/platform/i8042/input1/capabilities/ev 120013\n",
		&d);
}
END_TEST

START_TEST(finds_consoles)
{
	struct pci_device d = nvme();
	struct pci_device gpu = {.address = {.bus = 2}, .class = 0x030000, .driver = "i915"};
	struct hold o = only("file /sys/class/tty/console/active tty0 ttyS4\n"
			     "link /sys/class/tty/ttyS4 " BELOW "/tty/ttyS4\n",
		&d);

	ck_assert_str_eq(o.object, "ttyS4");
	o = only("file /sys/bus/pci/devices/0000:02:00.0/boot_vga 1\n"
		 "file /sys/class/vtconsole/vtcon1/name (M) frame buffer device\n"
		 "file /sys/class/vtconsole/vtcon1/bind 1\n",
		&gpu);
	ck_assert_str_eq(o.check, "gpu");
	none("file /sys/bus/pci/devices/0000:02:00.0/boot_vga 1\n", &gpu);
}
END_TEST

START_TEST(leaves_bridges_out)
{
	struct pci_device d = {.address = {.dev = 6}, .is_bridge = true, .driver = "pcieport"};

	none(DISK "busy nvme0n1\nblind\n", &d);
}
END_TEST

SUITE("hold", leaves_free_disks_alone, finds_mounts, keeps_what_the_host_needs,
	looks_through_the_eyes_of_the_first_process, follows_volumes, finds_loops,
	keeps_what_the_host_needs_over_loops, finds_exports, finds_exported_controllers,
	finds_exports_of_other_targets, counts_exports_out_of_sight_as_held, finds_swap,
	believes_the_claim, counts_the_unknown_as_held, sees_through_nvme_multipath, finds_routes,
	finds_addresses, follows_bridges, finds_interfaces_that_are_elsewhere,
	finds_the_ssh_session, finds_open_groups, finds_open_nodes, escapes_hostile_names,
	finds_working_virtual_functions, finds_the_last_keyboard, finds_consoles,
	leaves_bridges_out)
