/* SPDX-License-Identifier: MIT */
/*
 * How it works
 *
 * 9p and virtiofs are file systems without a block device: a virtio device has a tag, and that is
 * the source of a mount. A mount out of sight (another mount namespace, or below an overlay whose
 * layers were mounted before the root changed) shows in the module's use count alone: each file
 * system that is mounted takes one reference.
 *
 * Invariant: a share is free only if no mount in sight has its tag, and the use count leaves no
 * room for one out of sight. Where the count is not known, that cannot be told.
 *
 * The remove() of 9p waits, without an end, for the last unmount. So no --allow skips its mounts.
 */
#include "base/file.h"
#include "base/num.h"
#include "hold/view.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define VENDOR_VIRTIO 0x1af4
#define COUNT_UNKNOWN (-1)

struct share_kind {
	const char *driver; /* of virtio; its module has the same name */
	const char *type; /* of its mounts */
	uint16_t ids[2]; /* PCI: virtio 1.2, 5; 0x1009 is the transitional one of 9p */
	bool waits; /* its remove() waits for the mounts */
};

static const struct share_kind kinds[] = {
	{"9pnet_virtio", "9p", {0x1009, 0x1049}, true},
	{"virtiofs", "virtiofs", {0x105a, 0x105a}, false},
};

/* One share of the device. */
struct share {
	const struct share_kind *kind;
	const char *name; /* of its virtio device */
	char tag[128]; /* "" when it is unknown */
};

/* The kind of a virtio device; NULL: it is no share. */
static const struct share_kind *share_kind_of(const struct hold_case *c, const char *name)
{
	struct host *h = c->view->host;
	const struct pci_device *d = c->device;
	char path[FILE_PATH_MAX], driver[PCI_NAME_MAX] = "";
	uint64_t id;

	if (file_path(path, sizeof(path), "/sys/bus/virtio/devices/%s/driver", name) == 0)
		(void)host_link_name(h, path, driver, sizeof(driver));
	for (size_t i = 0; i < COUNT(kinds); i++)
		if (strcmp(driver, kinds[i].driver) == 0)
			return &kinds[i];
	/* A snapshot of an older usher has no drivers of virtio, and no ids. */
	if (*driver || d->vendor != VENDOR_VIRTIO ||
		file_path(path, sizeof(path), "/sys/bus/virtio/devices/%s/device", name) < 0 ||
		host_read_number(h, path, &id) == 0)
		return NULL;
	for (size_t i = 0; i < COUNT(kinds); i++)
		if (d->device == kinds[i].ids[0] || d->device == kinds[i].ids[1])
			return &kinds[i];
	return NULL;
}

struct tag_search {
	struct host *host;
	struct share *share;
};

/* virtiofs: /sys/fs/virtiofs/N has the tag and a link to the device, since Linux 6.9. */
static int tag_match(void *arg, const char *entry)
{
	const struct tag_search *t = arg;
	char path[FILE_PATH_MAX], device[64];

	if (file_path(path, sizeof(path), "/sys/fs/virtiofs/%s/device", entry) < 0 ||
		host_link_name(t->host, path, device, sizeof(device)) < 0 ||
		strcmp(device, t->share->name) != 0 ||
		file_path(path, sizeof(path), "/sys/fs/virtiofs/%s/tag", entry) < 0)
		return 0;
	if (host_read_text(t->host, path, t->share->tag, sizeof(t->share->tag)) < 0)
		t->share->tag[0] = '\0';
	return 1;
}

static void tag_read(struct host *h, struct share *s)
{
	struct tag_search t = {h, s};
	char path[FILE_PATH_MAX];

	if (strcmp(s->kind->type, "virtiofs") == 0)
		(void)h->ops->list(h, "/sys/fs/virtiofs", tag_match, &t);
	else if (file_path(path, sizeof(path), "/sys/bus/virtio/devices/%s/mount_tag", s->name) <
			 0 ||
		 host_read_text(h, path, s->tag, sizeof(s->tag)) < 0)
		s->tag[0] = '\0';
}

/* How many file systems of this kind are mounted anywhere; COUNT_UNKNOWN. */
static int mounted_count(struct host *h, const struct share_kind *k)
{
	char path[FILE_PATH_MAX];
	uint64_t count;

	if (file_path(path, sizeof(path), "/sys/module/%s/refcnt", k->driver) < 0 ||
		host_read_number(h, path, &count) < 0 || count > INT32_MAX)
		return COUNT_UNKNOWN;
	return (int)count;
}

/* How many of them are in sight; one may be mounted at several places. */
static int visible_count(const struct hold_view *v, const struct share_kind *k)
{
	const struct hold_disk all = {.share = k->type, .tag = ""};
	int count = 0;

	for (size_t i = 0; i < v->mount_count; i++)
		if (hold_mount_is_on(v, &v->mounts[i], &all) &&
			hold_mount_of_number(v, v->mounts[i].number) == &v->mounts[i])
			count++;
	return count;
}

/* Whether one that is out of sight may be mounted from the share. */
static bool share_is_veiled(
	const struct hold_view *v, const struct share *s, bool is_mounted, int count)
{
	/* A 9p device serves one file system at a time. */
	if (is_mounted && *s->tag && s->kind->waits)
		return false;
	return count == COUNT_UNKNOWN || count > visible_count(v, s->kind);
}

static int share_add(
	struct hold_case *c, const struct share *s, const struct hold_uses *uses, bool veiled)
{
	bool below = veiled && hold_mounts_hide_disks(c->view);
	enum hold_weight weight = uses->absolute || below ? HOLD_ABSOLUTE
				  : s->kind->waits        ? HOLD_WAITS
							  : HOLD_PLAIN;
	char object[64];

	(void)snprintf(object, sizeof(object), "%s %s", s->kind->type, *s->tag ? s->tag : s->name);
	if (below)
		return hold_add(c, "block", weight, object,
			"%s%sthe root file system of this host may be on it", uses->text,
			uses->text[0] ? ", " : "");
	if (uses->text[0])
		return hold_add(c, "block", weight, object, "%s", uses->text);
	return hold_add(c, "block", weight, object,
		"mounted where usher cannot look: in another mount namespace, or hidden");
}

static int share_judge(struct hold_case *c, const char *name)
{
	struct share s = {.kind = share_kind_of(c, name), .name = name};
	struct hold_uses uses;

	if (!s.kind)
		return 0;
	int r = hold_view_disks(c->view);
	if (r < 0)
		return r;
	tag_read(c->view->host, &s);
	const struct hold_disk d = {.name = name, .share = s.kind->type, .tag = s.tag};
	r = hold_disk_uses(c, &d, &uses);
	if (r < 0)
		return r;
	int count = mounted_count(c->view->host, s.kind);
	if (count == 0)
		return 0;
	bool veiled = share_is_veiled(c->view, &s, uses.text[0], count);
	if (uses.text[0] || (veiled && (count > 0 || hold_mounts_hide_disks(c->view))))
		return share_add(c, &s, &uses, veiled);
	if (!veiled)
		return 0;
	return hold_add(c, "block", HOLD_UNSURE, name,
		"whether a %s file system is mounted from it cannot be told", s.kind->type);
}

int hold_share(struct hold_case *c)
{
	const struct hold_links *l;

	if (strcmp(c->device->driver, "virtio-pci") != 0)
		return 0;
	int r = hold_view_nested(c->view, &l);
	for (size_t i = 0; r == 0 && i < l->count; i++)
		if (strncmp(l->list[i].name, "virtio", 6) == 0 && hold_below(c, l->list[i].target))
			r = share_judge(c, l->list[i].name);
	return r;
}
