/* SPDX-License-Identifier: MIT */
#include "asked.h"
#include "suite.h"

#include <string.h>

#define MOUNTS "file /proc/self/mountinfo 22 1 0:20 / /proc rw shared:5 - proc proc rw\\n"
#define VIRTIO                                                              \
	"link /sys/bus/virtio/devices/virtio0 ../../../devices/pci0000:00/" \
	"0000:00:06.0/0000:02:00.0/virtio0\n"                               \
	"at /sys/devices/pci0000:00/0000:00:06.0/0000:02:00.0/virtio0\n"    \
	"file device 0x0009\n"
#define P9                                                                    \
	VIRTIO "link driver ../../../../../bus/virtio/drivers/9pnet_virtio\n" \
	       "file mount_tag data\n"
#define FS                                                                   \
	VIRTIO "link driver ../../../../../bus/virtio/drivers/virtiofs\n"    \
	       "file /sys/fs/virtiofs/0/tag data\n"                          \
	       "link /sys/fs/virtiofs/0/device ../../../devices/pci0000:00/" \
	       "0000:00:06.0/0000:02:00.0/virtio0\n"
#define USED_9P(COUNT) "file /sys/module/9pnet_virtio/refcnt " #COUNT "\n"
#define USED_FS(COUNT) "file /sys/module/virtiofs/refcnt " #COUNT "\n"

static struct pci_device virtio_device(void)
{
	return (struct pci_device){.address = {.bus = 2},
		.class = 0x000200,
		.vendor = 0x1af4,
		.device = 0x1009,
		.group = 7,
		.driver = "virtio-pci"};
}

static struct hold share_only(const char *text)
{
	struct pci_device d = virtio_device();

	return hold_only(text, &d);
}

START_TEST(leaves_free_shares_alone)
{
	struct pci_device d = virtio_device();

	hold_none(P9 USED_9P(0), &d);
	hold_none(FS USED_FS(0), &d);
	/* It is on no driver. */
	hold_none(VIRTIO MOUNTS "30 1 0:44 / / rw - 9p data rw,trans=virtio\n", &d);
	/* Each mount has another tag, or is over the network. */
	hold_none(P9 USED_9P(1) MOUNTS "30 1 0:44 / / rw - 9p other rw,trans=virtio\n", &d);
	hold_none(P9 USED_9P(0) MOUNTS "30 1 0:44 / / rw - 9p data rw,trans=tcp,port=564\n", &d);
	hold_none(FS USED_FS(1) MOUNTS "30 1 0:44 / / rw - virtiofs other rw\n", &d);
	/* Another device's. */
	d.address.bus = 3;
	hold_none(P9 USED_9P(1) MOUNTS "30 1 0:44 / / rw - 9p data rw,trans=virtio\n", &d);
}
END_TEST

START_TEST(keeps_what_the_host_needs_on_shares)
{
	struct hold o =
		share_only(P9 USED_9P(1) MOUNTS "30 1 0:44 / / rw - 9p data rw,trans=virtio\n");

	hold_is(&o, "block", "9p data", "mounted at /");
	ck_assert(o.absolute && !o.waits);
	o = share_only(FS USED_FS(1) MOUNTS "30 1 0:44 / /usr rw - virtiofs data rw\n");
	ck_assert_str_eq(o.object, "virtiofs data");
	ck_assert(o.absolute);
	/* Below an overlay, visible in the mount table or not. */
	o = share_only(P9 USED_9P(1) MOUNTS
		"30 1 0:44 / /low rw - 9p data rw,trans=virtio\\n"
		"31 1 0:45 / / rw - overlay x rw,lowerdir=/low/a:/b\nnumber f0:44 /low/a\n");
	ck_assert_str_eq(o.text, "mounted at /low, a layer of /");
	ck_assert(o.absolute && !o.waits);
	o = share_only(P9 USED_9P(1) MOUNTS "31 1 0:45 / / rw - overlay x rw,lowerdir=/gone\n");
	ck_assert_str_eq(o.text, "the root file system of this host may be on it");
	ck_assert(o.absolute && !o.waits);
	/* A disk image on it. */
	o = share_only(FS USED_FS(1) MOUNTS
		"30 1 0:44 / /srv rw - virtiofs data rw\\n31 1 7:0 / /boot rw - ext4 x rw\n"
		"link /sys/class/block/loop0 ../../devices/virtual/block/loop0\n"
		"file /sys/devices/virtual/block/loop0/dev 7:0\n"
		"file /sys/devices/virtual/block/loop0/loop/backing_file /srv/img\n"
		"loop f0:44 loop0\n");
	ck_assert_str_eq(o.text, "mounted at /srv, has the image of loop0, mounted at /boot");
	ck_assert(o.absolute);
}
END_TEST

/* The kernel's remove() of 9p waits for the unmount, wherever it is mounted. */
START_TEST(lifts_no_mount_of_9p)
{
	struct hold o =
		share_only(P9 USED_9P(1) MOUNTS "30 1 0:44 / /mnt rw - 9p data rw,trans=virtio\n");

	ck_assert_str_eq(o.text, "mounted at /mnt");
	ck_assert(o.absolute && o.waits);
	o = share_only(FS USED_FS(1) MOUNTS "30 1 0:44 / /mnt rw - virtiofs data rw\n");
	ck_assert_str_eq(o.text, "mounted at /mnt");
	ck_assert(!o.absolute);
	/* A device has one client, so the mount that is not visible is on another device. */
	o = share_only(P9 USED_9P(2) MOUNTS "30 1 0:44 / /mnt rw - 9p data rw,trans=virtio\\n"
					    "31 1 0:45 / / rw - overlay x rw,lowerdir=/gone\n");
	ck_assert_str_eq(o.text, "mounted at /mnt");
	ck_assert(o.waits);
}
END_TEST

START_TEST(finds_mounts_out_of_sight)
{
	struct hold o = share_only(P9 USED_9P(1) MOUNTS "1 2 8:1 / / rw - ext4 x rw\n");

	ck_assert_ptr_nonnull(strstr(o.text, "mounted where usher cannot look"));
	ck_assert(o.absolute && o.waits);
	/* One device that is visible twice leaves another that is not. */
	o = share_only(FS USED_FS(2) MOUNTS "1 2 0:44 / /a rw - virtiofs other rw\\n"
					    "1 2 0:44 / /b rw - virtiofs other rw\n");
	ck_assert(!o.absolute && !o.unsure);
	/* The one in sight comes over the network. */
	o = share_only(P9 USED_9P(1) MOUNTS "1 2 0:44 / / rw - 9p data rw,trans=tcp,port=564\n");
	ck_assert_ptr_nonnull(strstr(o.text, "mounted where usher cannot look"));
	/* virtiofs serves several mounts of one device: one in sight says nothing of another. */
	o = share_only(FS USED_FS(2) MOUNTS "30 1 0:44 / /mnt rw - virtiofs data rw\\n"
					    "31 1 0:45 / / rw - overlay x rw,lowerdir=/gone\n");
	ck_assert_str_eq(o.text, "mounted at /mnt, the root file system of this host may be on it");
	ck_assert(o.absolute);
	/* A kernel with 9p built in shows no users of a module. */
	o = share_only(P9 MOUNTS "1 2 8:1 / / rw - ext4 x rw\n");
	ck_assert(o.unsure);
	o = share_only(FS MOUNTS "31 1 0:45 / / rw - overlay x rw,lowerdir=/gone\n");
	ck_assert(o.absolute);
}
END_TEST

/* Without its tag, the device may belong to any mount. */
START_TEST(takes_an_unknown_tag_for_each)
{
	struct hold o = share_only(
		VIRTIO "link driver ../../../../../bus/virtio/drivers/virtiofs\n" USED_FS(1) MOUNTS
		"30 1 0:44 / / rw - virtiofs data rw\n");

	ck_assert_str_eq(o.object, "virtiofs virtio0");
	ck_assert(o.absolute);
	/* A snapshot that an older usher wrote. */
	o = share_only("link /sys/bus/virtio/devices/virtio0 ../../../devices/pci0000:00/"
		       "0000:00:06.0/0000:02:00.0/virtio0\n" MOUNTS
		       "30 1 0:44 / / rw - 9p data rw,trans=virtio\n");
	ck_assert_str_eq(o.object, "9p virtio0");
	ck_assert(o.absolute);
}
END_TEST

SUITE("share", leaves_free_shares_alone, keeps_what_the_host_needs_on_shares, lifts_no_mount_of_9p,
	finds_mounts_out_of_sight, takes_an_unknown_tag_for_each)
