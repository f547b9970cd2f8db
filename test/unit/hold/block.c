/* SPDX-License-Identifier: MIT */
#include "asked.h"
#include "suite.h"

#include <stdio.h>
#include <string.h>

#define MOUNTS "file /proc/self/mountinfo 22 1 0:20 / /proc rw shared:5 - proc proc rw\\n"

START_TEST(leaves_free_disks_alone)
{
	disk_none("");
	disk_none(DISK MOUNTS "30 22 8:1 / / rw - ext4 /dev/sda1 rw\n");
	/* Another function, whose address contains this one's. */
	disk_none(
		"link /sys/class/block/sda ../../devices/pci0000:00/10000:02:00.0/host0/sda\nbusy "
		"sda\n");
}
END_TEST

START_TEST(finds_mounts)
{
	struct hold o =
		disk_only(DISK MOUNTS "30 22 259:1 / /srv/my\\\\040data rw - ext4 /dev/x rw\n"
				      "busy nvme0n1\nbusy nvme0n1p1\n");

	hold_is(&o, "block", "nvme0n1p1", "mounted at /srv/my\\040data");
	ck_assert(!o.absolute && !o.unsure);
	/* The mount of a btrfs shows a node, not a device number. */
	o = disk_only(DISK MOUNTS "30 22 0:44 / /srv rw shared:1 - btrfs /dev/nvme0n1p1 rw\n"
				  "busy nvme0n1p1\nbusy nvme0n1\n");
	ck_assert_str_eq(o.text, "mounted at /srv");
}
END_TEST

START_TEST(keeps_what_the_host_needs)
{
	static const char *const places[] = {"/", "/boot", "/boot/efi", "/usr"};
	char text[2048];

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		(void)snprintf(text, sizeof(text),
			DISK MOUNTS "30 22 259:1 / %s rw - ext4 /dev/x rw\nbusy nvme0n1p1\n",
			places[i]);
		ck_assert_msg(disk_only(text).absolute, "%s", places[i]);
	}
	/* Other mounts of the same disk make no difference. */
	struct hold o = disk_only(
		DISK MOUNTS "1 2 259:1 / /a rw - ext4 x rw\\n1 2 259:1 / /b rw - ext4 x rw"
			    "\\n1 2 259:1 / /c rw - ext4 x rw\\n1 2 259:1 / / rw - ext4 x rw\n");
	ck_assert(o.absolute);
	ck_assert_str_eq(o.text, "mounted at /a, mounted at /b, mounted at /");
}
END_TEST

/* usher runs in a chroot, or in a mount namespace of its own. */
START_TEST(looks_through_the_eyes_of_the_first_process)
{
	struct hold o =
		disk_only(DISK MOUNTS "30 22 259:1 / /mnt rw - ext4 /dev/x rw\n"
				      "file /proc/1/mountinfo 30 1 259:1 / / rw - ext4 /dev/x rw\n"
				      "busy nvme0n1p1\n");

	ck_assert(o.absolute);
	ck_assert_str_eq(o.text, "mounted at /mnt, mounted at /");
	/* A mount that both see is reported once. */
	o = disk_only(DISK MOUNTS "30 22 259:1 / /srv rw - ext4 x rw\n"
				  "file /proc/1/mountinfo 30 22 259:1 / /srv ro - ext4 x rw\n");
	ck_assert(!o.absolute);
	ck_assert_str_eq(o.text, "mounted at /srv");
	/* The root is an overlay, of which a layer may be on this disk. */
	o = disk_only(DISK
		"file /proc/1/mountinfo 30 1 0:33 / / rw - overlay overlay rw\nbusy nvme0n1\n");
	ck_assert(o.absolute);
}
END_TEST

START_TEST(follows_volumes)
{
	struct hold o = disk_only(DISK MOUNTS "30 22 253:0 / / rw - ext4 /dev/mapper/vg-root rw\n"
					      "dir nvme0n1p1/holders/dm-1\n"
					      "at /sys/class/block\n"
					      "file dm-1/dm/name luks\nfile dm-1/dev 253:1\n"
					      "dir dm-1/holders/dm-0\n"
					      "file dm-0/dm/name vg-root\nfile dm-0/dev 253:0\n"
					      "busy nvme0n1p1\nbusy nvme0n1\n");

	hold_is(&o, "block", "nvme0n1p1",
		"part of dm-1 (luks), part of dm-0 (vg-root), mounted at /");
	ck_assert(o.absolute);
	/* A circle of holders, which only a hostile snapshot has, ends. */
	o = disk_only("link /sys/class/block/sda " BELOW "/sda\n"
		      "dir /sys/devices/pci0000:00/0000:00:06.0/0000:02:00.0/sda/holders/sda\n");
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

/* Nothing else shows a loop device: it claims no disk, and holders/ has no entry. */
START_TEST(finds_loops)
{
	struct hold o;

	/*
	 * Unused loop devices; one over a file; one over another disk, whose name contains this
	 * one's.
	 */
	disk_none(DISK LOOPS LOOP0 "/srv/nvme0n1\n" LOOP1 "/dev/nvme0n1p10\n");
	disk_none(DISK LOOPS LOOP0 "/dev/nvme0n10\n" LOOP1 "/dev/xnvme0n1\n");
	o = disk_only(DISK LOOPS LOOP0 "/dev/nvme0n1\n");
	hold_is(&o, "block", "nvme0n1", "below loop0");
	ck_assert(!o.absolute && !o.unsure);
	o = disk_only(
		DISK LOOPS LOOP1 "/dev/nvme0n1p1\n" MOUNTS "30 22 7:1 / /mnt rw - ext4 x rw\n");
	hold_is(&o, "block", "nvme0n1p1", "below loop1, mounted at /mnt");
	ck_assert(!o.absolute);
	/*
	 * Its node was deleted; or it was opened in a container's /dev, or in one that is not
	 * mounted.
	 */
	ck_assert_str_eq(
		disk_only(DISK LOOPS LOOP0 "/dev/nvme0n1 (deleted)\n").text, "below loop0");
	ck_assert_str_eq(disk_only(DISK LOOPS LOOP0 "/srv/box/dev/nvme0n1\n").text, "below loop0");
	ck_assert_str_eq(disk_only(DISK LOOPS LOOP0 "/nvme0n1\n").text, "below loop0");
}
END_TEST

START_TEST(keeps_what_the_host_needs_over_loops)
{
	struct hold o = disk_only(DISK LOOPS LOOP0 "/dev/nvme0n1p1\n" MOUNTS
						   "30 22 7:0 / / rw - ext4 /dev/loop0 rw\n");

	ck_assert_str_eq(o.text, "below loop0, mounted at /");
	ck_assert(o.absolute);
	/* On a partition of a loop device over another one. */
	o = disk_only(DISK LOOPS LOOP0 "/dev/nvme0n1\n" LOOP1 "/dev/loop0\n" MOUNTS
				       "30 22 259:9 / / rw - ext4 /dev/x rw\n");
	ck_assert_str_eq(o.text, "below loop0, below loop1, partition loop1p2, mounted at /");
	ck_assert(o.absolute);
	/* A loop device over a volume, by each name of the volume. */
	static const char *const volumes[] = {"/dev/dm-0", "/dev/mapper/vg-root"};
	for (size_t i = 0; i < sizeof(volumes) / sizeof(volumes[0]); i++) {
		char text[2048];
		(void)snprintf(text, sizeof(text),
			DISK LOOPS "dir nvme0n1p1/holders/dm-0\n"
				   "at /sys/class/block\nfile dm-0/dm/name vg-root\n" LOOP1
				   "%s\n" MOUNTS "30 22 7:1 / /usr rw - ext4 x rw\n",
			volumes[i]);
		o = disk_only(text);
		ck_assert_str_eq(o.text, "part of dm-0 (vg-root), below loop1, mounted at /usr");
		ck_assert(o.absolute);
	}
	/* A loop device over itself, which only a hostile snapshot has, ends. */
	o = disk_only(DISK LOOPS LOOP0
		"/dev/nvme0n1\n" LOOP1 "/dev/loop1\n"
		"link /sys/class/block/loop2 ../../devices/virtual/block/loop2\n"
		"file /sys/devices/virtual/block/loop2/loop/backing_file /dev/loop0\n"
		"dir /sys/devices/virtual/block/loop2/holders/loop0\n");
	ck_assert_str_eq(o.object, "nvme0n1");
}
END_TEST

#define CRYPT                                                                        \
	DISK "dir nvme0n1p1/holders/dm-0\nfile /sys/class/block/dm-0/dm/name root\n" \
	     "file /sys/class/block/dm-0/dev 253:0\n"

/* A btrfs has an anonymous device number, and the node of one of its disks as the source. */
START_TEST(keeps_what_the_host_needs_on_btrfs)
{
	struct hold o =
		disk_only(CRYPT MOUNTS "30 22 0:44 / /boot rw - btrfs /dev/mapper/r\\\\040t rw\n"
				       "number b253:0 /dev/mapper/r t\n");

	ck_assert_str_eq(o.text, "part of dm-0 (root), mounted at /boot");
	ck_assert(o.absolute);
	o = disk_only(CRYPT MOUNTS "30 22 0:44 / / rw - btrfs /dev/mapper/root rw\n");
	ck_assert(o.absolute);
	/* Another node by the name of this disk: which of the two was mounted cannot be told. */
	o = disk_only(DISK MOUNTS "30 22 0:44 / / rw - btrfs /dev/nvme0n1p1 rw\n"
				  "number b8:1 /dev/nvme0n1p1\n");
	ck_assert(o.absolute);
	disk_none(DISK MOUNTS "30 22 0:44 / / rw - btrfs /dev/x rw\nnumber b8:1 /dev/x\n");
}
END_TEST

#define VOLUMES                                                                 \
	"dir /sys/fs/btrfs/features\n"                                          \
	"dir /sys/fs/btrfs/u1/devices/sda\ndir /sys/fs/btrfs/u1/devices/dm-0\n" \
	"dir /sys/fs/btrfs/u2/devices/sdb\n"                                    \
	"file /sys/class/block/sda/dev 8:0\nfile /sys/class/block/sdb/dev 8:16\n"

START_TEST(keeps_every_disk_of_a_btrfs)
{
	struct hold o = disk_only(CRYPT VOLUMES MOUNTS "30 22 0:44 / / rw - btrfs /dev/sda rw\n"
						       "number b8:0 /dev/sda\n");

	ck_assert_str_eq(o.text, "part of dm-0 (root), mounted at /");
	ck_assert(o.absolute);
	/* Another file system; and one whose source does not exist, which may be either. */
	o = disk_only(CRYPT VOLUMES MOUNTS "30 22 0:44 / / rw - btrfs /dev/sdb rw\n");
	ck_assert_str_eq(o.text, "part of dm-0 (root)");
	ck_assert(!o.absolute);
	o = disk_only(CRYPT VOLUMES MOUNTS "30 22 0:44 / / rw - btrfs /dev/root rw\n");
	ck_assert(o.absolute);
	o = disk_only(DISK MOUNTS "30 22 0:44 / / rw - bcachefs /dev/sda:/dev/y rw\n"
				  "number b259:1 /dev/y\n");
	ck_assert_str_eq(o.object, "nvme0n1p1");
	ck_assert(o.absolute);
}
END_TEST

/* The kernel does not show the disks of a pool; one of them may be below a volume. */
START_TEST(keeps_unexplained_volumes_of_a_host_on_zfs)
{
	static const char *const places[] = {"/", "/boot"};
	char text[2048];

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		(void)snprintf(text, sizeof(text),
			CRYPT MOUNTS "30 1 0:33 / %s rw - zfs rpool/root rw\nbusy dm-0\n",
			places[i]);
		ck_assert(disk_only(text).absolute);
	}
	struct hold o = disk_only(CRYPT MOUNTS "30 1 0:33 / /srv rw - zfs x rw\nbusy dm-0\n");
	ck_assert(!o.absolute);
	ck_assert_ptr_nonnull(strstr(o.text, "part of dm-0 (root), in use by the kernel"));
	/* An unused volume. */
	o = disk_only(CRYPT MOUNTS "30 1 0:33 / / rw - zfs rpool/root rw\n");
	ck_assert(!o.absolute);
}
END_TEST

/* Without the number of what a loop device has open, the names alone decide. */
START_TEST(finds_an_image_by_its_path)
{
	const char *const boot = "31 22 7:0 / /boot rw - ext4 /dev/loop0 rw\n";
	char text[4096];

	(void)snprintf(text, sizeof(text), "%s%s",
		DISK LOOPS LOOP0 "/srv/image\n" MOUNTS "30 22 259:1 / /srv rw - ext4 /dev/x rw\\n",
		boot);
	ck_assert_str_eq(
		disk_only(text).text, "mounted at /srv, has the image of loop0, mounted at /boot");
	/* Beside that folder; a disk. */
	(void)snprintf(text, sizeof(text), "%s%s",
		DISK LOOPS LOOP0 "/srvother/image\n" MOUNTS
				 "30 22 259:1 / /srv rw - ext4 /dev/x rw\\n",
		boot);
	ck_assert_str_eq(disk_only(text).text, "mounted at /srv");
	(void)snprintf(text, sizeof(text), "%s%s",
		DISK LOOPS LOOP0 "/dev/sdb\n" MOUNTS "30 22 259:1 / /dev rw - ext4 /dev/x rw\\n",
		boot);
	ck_assert_str_eq(disk_only(text).text, "mounted at /dev");
}
END_TEST

#define IMAGE LOOPS LOOP0 "/srv/my img\n"

START_TEST(keeps_images_that_the_host_needs)
{
	struct hold o = disk_only(
		DISK IMAGE "loop f259:1 loop0\n" MOUNTS "30 22 259:1 / /srv rw - ext4 /dev/x rw\\n"
			   "31 22 7:0 / /boot rw - ext4 /dev/loop0 rw\n");

	ck_assert_str_eq(o.text, "mounted at /srv, has the image of loop0, mounted at /boot");
	ck_assert(o.absolute);
	/*
	 * The image is mounted elsewhere: only the file system that has it counts. On another disk:
	 * neither.
	 */
	o = disk_only(
		DISK IMAGE "loop f259:1 loop0\n" MOUNTS "30 22 259:1 / /srv rw - ext4 /dev/x rw\\n"
			   "31 22 7:0 / /mnt rw - ext4 /dev/loop0 rw\n");
	ck_assert_str_eq(o.text, "mounted at /srv");
	ck_assert(!o.absolute);
	disk_none(DISK IMAGE "loop f8:1 loop0\n" MOUNTS
			     "31 22 7:0 / /boot rw - ext4 /dev/loop0 rw\n");
	/* An image in a subvolume, whose device number no mount has, on a volume. */
	o = disk_only(
		CRYPT IMAGE "loop f0:99 loop0\n" MOUNTS "1 2 8:1 / / rw - ext4 /dev/sda1 rw\\n"
			    "30 22 0:44 / /srv rw - btrfs /dev/dm-0 rw\\n"
			    "31 22 7:0 / /usr rw - ext4 /dev/loop0 rw\nnumber b253:0 /dev/dm-0\n");
	ck_assert_str_eq(o.text,
		"part of dm-0 (root), mounted at /srv, has the image of loop0, mounted at /usr");
	ck_assert(o.absolute);
}
END_TEST

/* The name of the node makes no difference. */
START_TEST(compares_loops_and_swap_by_number)
{
	ck_assert_str_eq(
		disk_only(DISK LOOPS LOOP0 "/tmp/shelf\nloop b259:1 loop0\n").object, "nvme0n1p1");
	disk_none(DISK LOOPS LOOP0 "/dev/nvme0n1\nloop b8:0 loop0\n");
	ck_assert_str_eq(disk_only(DISK "file /proc/swaps Filename\\n/dev/shelf partition 1 0 -2\n"
					"number b259:1 /dev/shelf\n")
				 .text,
		"swap space");
}
END_TEST

START_TEST(finds_swap)
{
	struct hold o = disk_only(
		DISK "file /proc/swaps Filename Type Size Used Priority\\n"
		     "/dev/nvme0n1p1 partition 1000 0 -2\nbusy nvme0n1p1\nbusy nvme0n1\n");

	hold_is(&o, "block", "nvme0n1p1", "swap space");
	ck_assert(o.absolute);
}
END_TEST

/* A swap file on a file system that is mounted elsewhere, or nowhere. */
START_TEST(finds_swap_files)
{
	struct hold o = disk_only(
		DISK "file /proc/swaps Filename Type\\n/srv/my\\\\040swap\\x09 file 1 0 -2\n"
		     "number f259:1 /srv/my swap\n");

	ck_assert_str_eq(o.object, "nvme0n1p1");
	ck_assert_str_eq(o.text, "swap file /srv/my\\040swap");
	ck_assert(o.absolute);
	/* On btrfs the file has the number of its subvolume. */
	o = disk_only(CRYPT MOUNTS "30 22 0:44 / /srv rw - btrfs /dev/dm-0 rw\n"
				   "file /proc/swaps Filename Type\\n/srv/swap file 1 0 -2\n"
				   "number f0:99 /srv/swap\nnumber b253:0 /dev/dm-0\n");
	ck_assert_str_eq(o.text, "part of dm-0 (root), mounted at /srv, swap file /srv/swap");
	ck_assert(o.absolute);
	disk_none(DISK "file /proc/swaps Filename Type\\n/dev/shelf partition 1 0 -2\n"
		       "number b8:1 /dev/shelf\n");
}
END_TEST

/* The host needs the layers of an overlay, wherever they are mounted. */
START_TEST(keeps_the_layers_of_what_the_host_needs)
{
	struct hold o = disk_only(DISK MOUNTS
		"30 22 259:1 / /srv rw - ext4 /dev/x rw\\n30 22 0:50 / / rw - overlay overlay "
		"rw,lowerdir=/a:/srv/x\\\\134:y::/data,upperdir=/up,workdir=/w\n"
		"number f259:1 /srv/x:y\nnumber f8:1 /up\n");

	ck_assert_str_eq(o.text, "mounted at /srv, a layer of /");
	ck_assert(o.absolute);
	/* An overlay that the host does not need; one whose layers are elsewhere. */
	o = disk_only(DISK MOUNTS "30 22 259:1 / /srv rw - ext4 /dev/x rw\\n30 22 0:50 / /box rw - "
				  "overlay overlay rw,lowerdir=/srv/x\nnumber f259:1 /srv/x\n");
	ck_assert(!o.absolute);
	o = disk_only(DISK MOUNTS "30 22 259:1 / /srv rw - ext4 /dev/x rw\\n30 22 0:50 / / rw - "
				  "overlay overlay rw,lowerdir=/srv/x\nnumber f8:1 /srv/x\n");
	ck_assert(!o.absolute);
	/* Over an overlay; and an image that is mounted without a loop device. */
	o = disk_only(DISK MOUNTS "30 22 259:1 / /srv rw - ext4 /dev/x rw\\n"
				  "30 22 0:50 / /box rw - overlay overlay rw,lowerdir+=/srv/x\\n"
				  "30 22 0:51 / /usr rw - overlay overlay rw,lowerdir=/box\n"
				  "number f259:1 /srv/x\nnumber f0:50 /box\n");
	ck_assert_str_eq(o.text, "mounted at /srv, a layer of /usr");
	ck_assert(o.absolute);
	o = disk_only(
		DISK MOUNTS "30 22 259:1 / /srv rw - ext4 /dev/x rw\\n"
			    "30 22 0:51 / /usr ro - erofs /srv/img ro\nnumber f259:1 /srv/img\n");
	ck_assert(o.absolute);
}
END_TEST

/* A volume of ZFS shows nothing below it, and the pool's disks show no user. */
START_TEST(keeps_unexplained_disks_of_a_host_on_virtual_disks)
{
	static const char volume[] = "link /sys/dev/block/230:0 ../../devices/virtual/block/zd0\n"
				     "link /sys/class/block/zd0 ../../devices/virtual/block/zd0\n"
				     "dir /sys/devices/virtual/block/zd0/slaves\nbusy nvme0n1\n";
	char text[4096];

	(void)snprintf(
		text, sizeof(text), DISK "%s" MOUNTS "30 1 230:0 / /boot rw - ext4 x rw\n", volume);
	ck_assert(disk_only(text).absolute);
	(void)snprintf(
		text, sizeof(text), DISK "%s" MOUNTS "30 1 230:0 / /srv rw - ext4 x rw\n", volume);
	ck_assert(!disk_only(text).absolute);
	(void)snprintf(text, sizeof(text),
		DISK "%sfile /proc/swaps Filename\\n"
		     "/dev/zd0 partition 1 0 -2\nnumber b230:0 /dev/zd0\n",
		volume);
	ck_assert(disk_only(text).absolute);
}
END_TEST

START_TEST(believes_the_claim)
{
	struct hold o = disk_only(DISK "busy nvme0n1\n");

	ck_assert_str_eq(o.object, "nvme0n1");
	ck_assert_ptr_nonnull(strstr(o.text, "in use by the kernel"));
	ck_assert(!o.absolute);
	o = disk_only(DISK MOUNTS "30 1 0:33 / / rw - zfs rpool/root rw\nbusy nvme0n1\n");
	ck_assert(o.absolute);
}
END_TEST

/* The node in /dev is another device's. */
START_TEST(trusts_no_node_of_another_number)
{
	struct hold o = disk_only(DISK "busy nvme0n1 ENODEV\n");

	ck_assert_str_eq(
		o.text, "whether it is in use cannot be told: no node in /dev has its number");
	ck_assert(o.unsure);
}
END_TEST

START_TEST(counts_the_unknown_as_held)
{
	struct pci_device d = nvme_device();
	struct hold o =
		hold_only("link /sys/class/block/sda " BELOW "/sda\n"
			  "fail /sys/devices/pci0000:00/0000:00:06.0/0000:02:00.0/sda EIO\n",
			&d);

	ck_assert_str_eq(o.object, "sda");
	ck_assert(o.unsure);
	o = hold_only("blind\n", &d);
	ck_assert_str_eq(o.check, "fd");
	ck_assert(o.unsure);
	d.driver[0] = '\0'; /* without a driver it has no nodes and no users */
	hold_none("blind\n", &d);
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
	struct pci_device other = {.address = {.bus = 3}};
	struct hold o = disk_only(MULTIPATH "busy nvme0n1\nbusy nvme0c0n1\n");

	ck_assert_str_eq(o.object, "nvme0n1");
	hold_none(MULTIPATH "busy nvme0n1\n", &other);
}
END_TEST

SUITE("block", leaves_free_disks_alone, finds_mounts, keeps_what_the_host_needs,
	looks_through_the_eyes_of_the_first_process, follows_volumes, finds_loops,
	keeps_what_the_host_needs_over_loops, keeps_what_the_host_needs_on_btrfs,
	keeps_every_disk_of_a_btrfs, keeps_unexplained_volumes_of_a_host_on_zfs,
	keeps_images_that_the_host_needs, finds_an_image_by_its_path,
	compares_loops_and_swap_by_number, finds_swap, finds_swap_files,
	keeps_the_layers_of_what_the_host_needs, keeps_unexplained_disks_of_a_host_on_virtual_disks,
	believes_the_claim, trusts_no_node_of_another_number, counts_the_unknown_as_held,
	sees_through_nvme_multipath)
