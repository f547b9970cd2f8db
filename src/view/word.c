/* SPDX-License-Identifier: MIT */
/*
 * How it works
 *
 * Invariant: a word means what the kernel says, or nothing. usher compares no parts of words.
 *
 * An address and a pair of ids are read off the word (word_address.c). Any other word leads to a
 * path in sysfs: a name through the classes that have names which people know, a node of /dev
 * through its number, so that each link to it means the same. The last PCI address in that path is
 * the function. What has none is made of other devices, which sysfs links: a volume of its slaves,
 * an NVMe disk with multipath of the controllers of its subsystem, a bond of its interfaces.
 */
#include "view/word.h"

#include "base/err.h"
#include "base/file.h"
#include "base/num.h"
#include "host/host.h"
#include "host/interface.h"
#include "pci/device.h"
#include "view/hint.h"
#include "view/lookup.h"
#include "view/nearest.h"
#include "view/subsystem.h"
#include "view/word_address.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#define DEPTH_MAX 8 /* of volumes on volumes */
#define LINKS_MAX 40 /* as in the kernel */
#define ENTRIES_MAX 4096 /* of a folder in /dev */

struct search {
	struct host *host;
	struct word_devices *found;
	const char *name; /* that is looked for in a folder */
	const char *folder;
	unsigned depth, entries;
	bool seen; /* what the word names exists */
};

static void device_add(struct word_devices *w, struct pci_address a)
{
	size_t at = 0;

	while (at < w->count && pci_address_compare(w->list[at], a) < 0)
		at++;
	if (w->count == WORD_DEVICES_MAX || (at < w->count && pci_address_equal(w->list[at], a)))
		return;
	memmove(&w->list[at + 1], &w->list[at], (w->count - at) * sizeof(w->list[0]));
	w->list[at] = a;
	w->count++;
}

static int block_descend(struct search *s, const char *name);
static int interface_descend(struct search *s, const char *name);

static int controller_add(void *arg, struct pci_address a)
{
	device_add(arg, a);
	return 0;
}

static int group_member_add(void *arg, const char *name)
{
	struct search *s = arg;
	struct pci_address a;

	if (pci_address_parse(name, &a) == 0)
		device_add(s->found, a);
	return 0;
}

/* A folder that has a link to each of its devices: an IOMMU group, a driver. */
static void folder_add(struct search *s, const char *folder)
{
	(void)s->host->ops->list(s->host, folder, group_member_add, s);
}

static void group_add(struct search *s, const char *number)
{
	char path[FILE_PATH_MAX];

	if (file_path(path, sizeof(path), "/sys/kernel/iommu_groups/%.*s/devices",
		    (int)strcspn(number, "/"), number) == 0)
		folder_add(s, path);
}

/* Behind @target's last address: "usb1/1-4/…", "ata3/host2/…". */
static void note_place(struct word_devices *w, const char *rest)
{
	const char *usb = strstr(rest, "/usb");

	w->is_part = w->is_part || strstr(rest, "/ata") || strstr(rest, "/host");
	if (!usb)
		return;
	usb += 4 + strspn(usb + 4, "0123456789");
	if (*usb == '/' && strchr("0123456789", usb[1]))
		(void)snprintf(w->usb, sizeof(w->usb), "%.*s", (int)strcspn(usb + 1, "/"), usb + 1);
}

/* @target: a path below /sys/devices, or a link there. */
static int target_add(struct search *s, const char *target)
{
	static const struct {
		const char *sign;
		int (*descend)(struct search *s, const char *name);
	} made[] = {
		{"/virtual/block/", block_descend},
		{"/virtual/net/", interface_descend},
	};
	struct pci_address a;

	const char *rest = word_last_address(target, &a);
	if (rest) {
		device_add(s->found, a);
		note_place(s->found, rest);
		return 0;
	}
	(void)subsystem_controllers(s->host, target, controller_add, s->found);
	for (size_t i = 0; i < COUNT(made); i++) {
		const char *at = strstr(target, made[i].sign);
		if (!at || ++s->depth > DEPTH_MAX)
			continue;
		int r = made[i].descend(s, at + strlen(made[i].sign));
		s->depth--;
		return r;
	}
	const char *group = strstr(target, "/virtual/vfio/");
	if (group)
		group_add(s, group + strlen("/virtual/vfio/"));
	return 0;
}

static int class_add(struct search *s, const char *class, const char *name)
{
	char path[FILE_PATH_MAX], target[FILE_PATH_MAX];

	if (file_path(path, sizeof(path), "/sys/class/%s/%s", class, name) < 0 ||
		s->host->ops->link(s->host, path, target, sizeof(target)) < 0)
		return 0;
	s->seen = true;
	return target_add(s, target);
}

static int slave_add(void *arg, const char *name)
{
	return class_add(arg, "block", name);
}

/* A volume, or one of its partitions: "md0/md0p1". */
static int block_descend(struct search *s, const char *name)
{
	char path[FILE_PATH_MAX];

	if (file_path(path, sizeof(path), "/sys/class/block/%.*s/slaves", (int)strcspn(name, "/"),
		    name) < 0)
		return 0;
	(void)s->host->ops->list(s->host, path, slave_add, s);
	return 0;
}

/* An interface that links to @s->name as the one on top of it. */
static int lower_add(void *arg, const char *name)
{
	struct search *s = arg;
	char path[FILE_PATH_MAX], target[FILE_PATH_MAX];

	if (file_path(path, sizeof(path), "/sys/class/net/%s/upper_%s", name, s->name) < 0 ||
		s->host->ops->link(s->host, path, target, sizeof(target)) < 0)
		return 0;
	return class_add(s, "net", name);
}

static int interface_descend(struct search *s, const char *name)
{
	struct search lower = *s;
	char upper[64];

	(void)snprintf(upper, sizeof(upper), "%.*s", (int)strcspn(name, "/"), name);
	lower.name = upper;
	(void)s->host->ops->list(s->host, "/sys/class/net", lower_add, &lower);
	return 0;
}

/* As device mapper names a logical volume: "vg/lv" is "vg-lv", with each hyphen of both twice. */
static void volume_name(const char *word, char *buf, size_t size)
{
	bool is_path = strchr(word, '/');
	size_t n = 0;

	for (; *word && n + 2 < size; word++) {
		buf[n++] = *word == '/' ? '-' : *word;
		if (*word == '-' && is_path)
			buf[n++] = '-';
	}
	buf[n] = '\0';
}

static int mapped_add(void *arg, const char *name)
{
	struct search *s = arg;
	char path[FILE_PATH_MAX], text[256];

	if (strncmp(name, "dm-", 3) != 0 ||
		file_path(path, sizeof(path), "/sys/class/block/%s/dm/name", name) < 0 ||
		host_read_text(s->host, path, text, sizeof(text)) <= 0 ||
		strcmp(text, s->name) != 0)
		return 0;
	return class_add(s, "block", name);
}

static int volume_add(struct search *s, const char *word)
{
	struct search volumes = *s;
	char name[256];

	volume_name(word, name, sizeof(name));
	volumes.name = name;
	(void)s->host->ops->list(s->host, "/sys/class/block", mapped_add, &volumes);
	return 0;
}

/* Classes whose names people know, of nodes and interfaces. */
static const char *const classes[] = {"block", "nvme", "nvme-generic", "nvme-subsystem", "drm",
	"sound", "input", "infiniband", "infiniband_verbs", "ieee80211", "bluetooth", "scsi_host",
	"scsi_generic", "tty", "video4linux", "dvb", "hidraw", "ptp", "rtc", "mei", "accel", "uio",
	"graphics", "i2c-adapter", "usbmisc", "vfio-dev", "dax", "misc"};

/* Return: 0, -ENODEV: it would be an interface of another network namespace than ours. */
static int name_add(struct search *s, const char *word, struct err *e)
{
	char interface[HOST_INTERFACE_MAX];

	int r = host_interface(s->host, word, interface);
	if (r == -EXDEV) {
		err_say(e, -ENODEV,
			"'%s' of /sys is not the interface of that name in this network namespace",
			word);
		err_hint(e, "run usher in the namespace that has it, or name the PCI address");
		return -ENODEV;
	}
	if (r == 0)
		(void)class_add(s, "net", interface);
	if (strcmp(word, ".") == 0 || strcmp(word, "..") == 0)
		return 0;
	for (size_t i = 0; i < COUNT(classes); i++)
		(void)class_add(s, classes[i], word);
	return 0;
}

static int id_add(struct search *s, unsigned vendor, unsigned device, struct err *e)
{
	struct pci_device *list = NULL;
	size_t count = 0;

	int r = pci_device_list(s->host, &list, &count, e);
	for (size_t i = 0; r == 0 && i < count; i++)
		if (list[i].vendor == vendor && list[i].device == device)
			device_add(s->found, list[i].address);
	free(list);
	return r == -ENOENT ? 0 : r;
}

/* All functions of @slot. */
static void slot_add(struct search *s, struct pci_address slot)
{
	char path[FILE_PATH_MAX], target[FILE_PATH_MAX];

	for (uint8_t fn = 0; fn < 8; fn++) {
		slot.fn = fn;
		if (pci_device_path(slot, "", path, sizeof(path)) == 0 &&
			s->host->ops->link(s->host, path, target, sizeof(target)) >= 0)
			device_add(s->found, slot);
	}
}

/* Follows each link of @path. Return: 0, -ENOENT: it leads nowhere, -ELOOP, -ENAMETOOLONG. */
static int path_resolve(struct host *h, const char *path, char out[FILE_PATH_MAX])
{
	char rest[2 * FILE_PATH_MAX], target[FILE_PATH_MAX], step[FILE_PATH_MAX];
	unsigned links = 0;

	if (file_path(rest, sizeof(rest), "%s", path) < 0)
		return -ENAMETOOLONG;
	out[0] = '\0';
	for (char *at = rest; *(at += strspn(at, "/"));) {
		size_t len = strcspn(at, "/");
		if (file_path(step, sizeof(step), "%s/%.*s", out, (int)len, at) < 0)
			return -ENAMETOOLONG;
		bool up = len == 2 && strncmp(at, "..", len) == 0;
		bool here = len == 1 && *at == '.';
		int r = up || here ? -EINVAL : (int)h->ops->link(h, step, target, sizeof(target));
		if (up)
			file_step_up(out);
		else if (!here && r < 0)
			(void)snprintf(out, FILE_PATH_MAX, "%s", step);
		if (r == -ENOENT)
			return r;
		if (r < 0) {
			at += len;
			continue;
		}
		char more[2 * FILE_PATH_MAX];
		if (++links > LINKS_MAX ||
			file_path(more, sizeof(more), "%s%s", target, at + len) < 0)
			return -ELOOP;
		if (target[0] == '/')
			out[0] = '\0';
		(void)snprintf(rest, sizeof(rest), "%s", more);
		at = rest;
	}
	return 0;
}

/* A path below /sys, also one that a link to a device has and this host lacks. */
static int sysfs_add(struct search *s, const char *path)
{
	char at[FILE_PATH_MAX], address[FILE_PATH_MAX];

	int r = path_resolve(s->host, path, at);
	/* A snapshot has the links to devices, and only some of what is below them. */
	(void)snprintf(address, sizeof(address), "%s", r == -ENOENT ? path : at);
	if (r < 0 && r != -ENOENT)
		return r;
	s->seen = s->seen || r == 0;
	if (strncmp(at, "/sys/kernel/iommu_groups/", 25) == 0)
		group_add(s, at + 25);
	else if (strncmp(at, "/sys/bus/pci/drivers/", 21) == 0)
		folder_add(s, at);
	else
		(void)target_add(s, address);
	return 0;
}

/* NVIDIA's driver tells the numbers of its nodes in /proc alone. @s->name: "nvidia0". */
static int nvidia_add(void *arg, const char *name)
{
	static const char mark[] = "Device Minor:";
	struct search *s = arg;
	char path[FILE_PATH_MAX], text[1024];
	struct pci_address a;
	unsigned node, device;

	if (pci_address_parse(name, &a) < 0 || sscanf(s->name, "nvidia%u", &node) != 1 ||
		file_path(path, sizeof(path), "/proc/driver/nvidia/gpus/%s/information", name) <
			0 ||
		host_read_text(s->host, path, text, sizeof(text)) <= 0)
		return 0;
	const char *line = strstr(text, mark);
	if (line && sscanf(line + strlen(mark), "%u", &device) == 1 && device == node)
		device_add(s->found, a);
	return 0;
}

static void nvidia_node_add(struct search *s, const char *name)
{
	struct search cards = *s;

	cards.name = name;
	if (strncmp(name, "nvidia", 6) == 0 && name[6] && name[6] != '-')
		(void)s->host->ops->list(s->host, "/proc/driver/nvidia/gpus", nvidia_add, &cards);
}

static int node_entry_add(void *arg, const char *name);

/* A node of /dev by its number, which each link to it leads to; a folder: what is in it. */
static int number_add(struct search *s, const char *path)
{
	struct host_number n;
	char at[FILE_PATH_MAX], target[FILE_PATH_MAX];

	int r = s->host->ops->number(s->host, path, &n);
	if (r < 0)
		return r;
	s->seen = true;
	if (n.kind == HOST_NUMBER_FILE) {
		struct search inside = *s;
		inside.folder = path;
		return s->folder ? 0 : s->host->ops->list(s->host, path, node_entry_add, &inside);
	}
	if (file_path(at, sizeof(at), "/sys/dev/%s/%u:%u",
		    n.kind == HOST_NUMBER_BLOCK ? "block" : "char", major(n.dev),
		    minor(n.dev)) == 0 &&
		s->host->ops->link(s->host, at, target, sizeof(target)) >= 0)
		(void)target_add(s, target);
	return 0;
}

static int node_entry_add(void *arg, const char *name)
{
	struct search *s = arg;
	char path[FILE_PATH_MAX];

	if (file_path(path, sizeof(path), "%s/%s", s->folder, name) == 0)
		(void)number_add(s, path);
	return ++s->entries < ENTRIES_MAX ? 0 : 1;
}

/* By the name that it has in /dev: of a snapshot, or a name without a node. */
static void node_name_add(struct search *s, const char *name)
{
	const char *base = file_base(name);

	if (strncmp(name, "vfio/", 5) == 0 && strspn(base, "0123456789") == strlen(base))
		group_add(s, base);
	else if (strncmp(name, "mapper/", 7) == 0)
		(void)volume_add(s, base);
	else
		for (size_t i = 0; i < COUNT(classes); i++)
			(void)class_add(s, classes[i], base);
	if (s->found->count == 0 && strchr(name, '/'))
		(void)volume_add(s, name);
}

static int dev_add(struct search *s, const char *path)
{
	int r = number_add(s, path);

	if (r < 0)
		node_name_add(s, path + strlen("/dev/"));
	if (s->found->count == 0)
		nvidia_node_add(s, file_base(path));
	return 0;
}

/* Return: 0, -ENODEV with a sentence. */
static int other_add(struct search *s, const char *word, struct err *e)
{
	if (strncmp(word, "/sys/", 5) == 0)
		return sysfs_add(s, word) == 0 ? 0 : err_say(e, -ENODEV, "%s: no such path", word);
	if (strncmp(word, "/dev/", 5) == 0)
		return dev_add(s, word);
	if (word[0] == '/')
		return 0;
	int r = strchr(word, '/') ? 0 : name_add(s, word, e);
	if (r == 0 && s->found->count == 0)
		r = volume_add(s, word);
	if (r == 0 && s->found->count == 0)
		nvidia_node_add(s, word);
	return r;
}

/* A mistyped name of an interface, a disk or a graphics card. */
static void hint_names(struct host *h, const char *word, struct err *e)
{
	struct nearest near = nearest_begin(strncmp(word, "/dev/", 5) == 0 ? word + 5 : word);
	struct lookup_names names;

	if (lookup_names_read(h, &names) == 0)
		for (size_t i = 0; i < names.count; i++)
			nearest_try(&near, names.list[i].name);
	if (near.word)
		err_hint(e, "did you mean '%s'? 'usher list -o +name' lists names", near.word);
	else
		err_hint(e, "'usher list -o +name' lists addresses and names");
	lookup_names_fini(&names);
}

static int say_unknown(const struct search *s, const char *word, struct err *e)
{
	char name[128];

	file_escape(name, sizeof(name), word);
	if (s->seen)
		err_say(e, -ENODEV, "'%s' is not below a PCI device", name);
	else
		err_say(e, -ENODEV, "no PCI device has the name '%s'", name);
	hint_names(s->host, word, e);
	return -ENODEV;
}

static int say_absent(struct host *h, struct pci_address a, struct err *e)
{
	char text[PCI_ADDRESS_TEXT];

	err_say(e, -ENODEV, "%s: there is no such PCI device", pci_address_format(a, text));
	hint_address(h, a, e);
	return -ENODEV;
}

static int say_malformed(const char *word, struct err *e)
{
	char text[128];

	file_escape(text, sizeof(text), word);
	err_say(e, -EINVAL, "'%s' is neither a PCI address like 0000:01:00.0 nor a name", text);
	err_hint(e, "'usher list -o +name' lists addresses and names");
	return -EINVAL;
}

static bool device_exists(struct host *h, struct pci_address a)
{
	char path[FILE_PATH_MAX], target[FILE_PATH_MAX];

	return pci_device_path(a, "", path, sizeof(path)) == 0 &&
	       h->ops->link(h, path, target, sizeof(target)) != -ENOENT;
}

static int shape_add(struct search *s, const struct word_shape *shape, struct err *e)
{
	struct pci_address a = shape->address;

	s->found->is_address = shape->form == WORD_ADDRESS;
	if (shape->form == WORD_IDS) {
		int r = id_add(s, shape->ids[0], shape->ids[1], e);
		if (r == 0 && s->found->count == 0)
			return err_say(e, -ENODEV, "no PCI device has the ids %04x:%04x",
				shape->ids[0], shape->ids[1]);
		return r;
	}
	if (shape->form == WORD_SLOT)
		slot_add(s, a);
	else if (device_exists(s->host, a))
		device_add(s->found, a);
	return s->found->count ? 0 : say_absent(s->host, a, e);
}

int word_find(struct host *h, const char *word, struct word_devices *ret, struct err *e)
{
	struct search s = {.host = h, .found = ret};

	*ret = (struct word_devices){0};
	const struct word_shape shape = word_shape(word);
	if (shape.form == WORD_BROKEN || !word[0])
		return say_malformed(word, e);
	if (shape.form != WORD_OTHER)
		return shape_add(&s, &shape, e);
	int r = other_add(&s, word, e);
	if (r < 0)
		return r;
	if (ret->count == 0)
		return say_unknown(&s, word, e);
	/* A path in sysfs may have an address that this host lacks. */
	return device_exists(h, ret->list[0]) ? 0 : say_absent(h, ret->list[0], e);
}
