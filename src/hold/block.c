/* SPDX-License-Identifier: MIT */
/*
 * How it works
 *
 * Invariant: a disk is free only if the kernel shows no user of it and grants the exclusive claim.
 *
 * What the kernel shows (mounts, swap, holders/, loop devices, exports) gives the words. The
 * exclusive claim, by open(O_EXCL), finds users that show nowhere, such as a ZFS pool. Two kinds of
 * user take no claim: a loop device, which names its lower disk itself, and a kernel target, whose
 * settings name the disk (export.c).
 *
 * disk_look() collects the users of one disk or partition and calls itself for each device above
 * it: volumes, arrays, loop devices, images on its file systems. What the host needs (mount.c) on
 * any level makes the hold absolute. Depth and number of visits are bounded, for a snapshot may
 * contain circles.
 */
#include "base/file.h"
#include "base/num.h"
#include "hold/view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 8 /* dm on md on dm … */
#define VISITS_MAX \
	1024 /* volumes and images on one disk: a snapshot could make them branch without end */

/* One disk or partition, and its users. */
struct use {
	struct hold_case *c;
	char text[256];
	bool absolute;
	int depth;
	unsigned *visits;
};

static void use_append(struct use *u, const char *what, const char *where)
{
	size_t n = strlen(u->text);

	(void)snprintf(u->text + n, sizeof(u->text) - n, "%s%s%s", n ? ", " : "", what, where);
}

/* Two views of one host, ours and process 1's, contain most mounts twice. */
static bool use_mentions(const struct use *u, const char *what, const char *where)
{
	char text[sizeof(u->text) + 16];

	(void)snprintf(text, sizeof(text), "%s%s", what, where);
	size_t n = strlen(text);
	for (const char *p = strstr(u->text, text); p; p = strstr(p + 1, text))
		if (p[n] == ',' || p[n] == '\0')
			return true;
	return false;
}

static void find_mounts(struct use *u, const struct hold_disk *d)
{
	const struct hold_view *v = u->c->view;
	unsigned found = 0;

	for (size_t i = 0; i < v->mount_count; i++) {
		const struct hold_mount *m = &v->mounts[i];

		if (!hold_mount_is_on(v, m, d))
			continue;
		bool needed = hold_mount_is_needed(m);
		u->absolute = u->absolute || needed;
		if (use_mentions(u, "mounted at ", m->where))
			continue;
		/* At most two places, but always those that the host needs. */
		if (found++ < 2 || needed)
			use_append(u, "mounted at ", m->where);
	}
}

static void find_swap(struct use *u, const struct hold_disk *d)
{
	const struct hold_view *v = u->c->view;

	for (size_t i = 0; i < v->swap_count; i++) {
		const struct hold_swap *s = &v->swaps[i];

		if (!hold_swap_is_on(v, s, d))
			continue;
		/* A process that needs a page of it would be killed: perhaps the first one. */
		u->absolute = true;
		if (s->is_file)
			use_append(u, "swap file ", s->name);
		else
			use_append(u, "swap space", "");
	}
}

/* What the host needs is made of folders on the disk's file systems. */
static void find_layers(struct use *u, const struct hold_disk *d)
{
	const struct hold_view *v = u->c->view;

	for (size_t i = 0; i < v->layer_count; i++) {
		const struct hold_layer *l = &v->layers[i];

		if (!hold_layer_is_on(v, l, d))
			continue;
		u->absolute = true;
		if (!use_mentions(u, "a layer of ", l->where))
			use_append(u, "a layer of ", l->where);
	}
}

/* Names and number of the disk. */
static int disk_read(struct host *h, const char *name, struct hold_disk *ret)
{
	char path[FILE_PATH_MAX];

	*ret = (struct hold_disk){.name = name, .number = hold_block_number(h, name)};
	int r = file_path(path, sizeof(path), "/sys/class/block/%s/dm/name", name);
	if (r == 0 && host_read_text(h, path, ret->alias, sizeof(ret->alias)) < 0)
		ret->alias[0] = '\0';
	return r;
}

static int disk_look(struct use *u, const char *name);

static int disk_look_above(struct use *u, const char *name, struct use *ret)
{
	*ret = (struct use){.c = u->c, .depth = u->depth + 1, .visits = u->visits};
	bool enough = u->depth == DEPTH_MAX || ++*u->visits > VISITS_MAX;
	int r = enough ? 0 : disk_look(ret, name);
	u->absolute = u->absolute || ret->absolute;
	return r;
}

static int disk_look_holder(void *arg, const char *name)
{
	struct use *u = arg, above = {0};
	char text[sizeof(above.text) + 160];
	struct hold_disk d = {0};

	int r = disk_look_above(u, name, &above);
	if (r == 0)
		r = disk_read(u->c->view->host, name, &d);
	if (r < 0)
		return r;
	(void)snprintf(text, sizeof(text), "%s%s%s%s%s%s", name, *d.alias ? " (" : "", d.alias,
		*d.alias ? ")" : "", above.text[0] ? ", " : "", above.text);
	use_append(u, "part of ", text);
	return 0;
}

/*
 * Whether a loop device's @file is the disk @name, or its volume @alias. The kernel shows the path
 * of the node, links resolved, as the process that opened it saw it: perhaps in the /dev of a
 * container or of a chroot, "/srv/box/dev/sda", or at the root of a /dev that is not mounted.
 */
static bool loop_is_over(const char *file, const char *name, const char *alias)
{
	static const char deleted[] = " (deleted)";
	const char *base = file_base(file);
	size_t n = strlen(base), tail = sizeof(deleted) - 1;

	if (base != file + 1 && !memmem(file, (size_t)(base - file), "/dev/", 5))
		return false;
	if (n > tail && strcmp(base + n - tail, deleted) == 0)
		n -= tail;
	return (strlen(name) == n && memcmp(base, name, n) == 0) ||
	       (*alias && strlen(alias) == n && memcmp(base, alias, n) == 0);
}

static bool loop_is_on(const struct hold_loop *l, const struct hold_disk *d)
{
	/* A name alone can only add a reason to refuse. */
	if (!l->is_told)
		return loop_is_over(l->file, d->name, d->alias);
	return l->number.kind == HOST_NUMBER_BLOCK && d->number && l->number.dev == d->number;
}

static int find_loops(struct use *u, const struct hold_disk *d)
{
	const struct hold_view *v = u->c->view;
	char text[sizeof(u->text) + 80];
	struct use above;

	for (size_t i = 0; i < v->nr_loops; i++) {
		if (!loop_is_on(&v->loops[i], d))
			continue;
		int r = disk_look_above(u, v->loops[i].name, &above);
		if (r < 0)
			return r;
		(void)snprintf(text, sizeof(text), "%s%s%s", v->loops[i].name,
			above.text[0] ? ", " : "", above.text);
		use_append(u, "below ", text);
	}
	return 0;
}

/*
 * Images on the disk's file systems. Their mount holds the disk already; an image counts only if
 * the host needs what is mounted from it. A host with snaps has dozens, so a disk that is absolute
 * already needs no look at them.
 */
static int find_images(struct use *u, const struct hold_disk *d)
{
	const struct hold_view *v = u->c->view;
	char text[sizeof(u->text) + 80];
	struct use above;

	for (size_t i = 0; !u->absolute && i < v->nr_loops; i++) {
		if (!hold_image_is_on(v, &v->loops[i], d))
			continue;
		int r = disk_look_above(u, v->loops[i].name, &above);
		if (r < 0)
			return r;
		(void)snprintf(text, sizeof(text), "%s, %s", v->loops[i].name, above.text);
		if (above.absolute)
			use_append(u, "has the image of ", text);
	}
	return 0;
}

/* Partitions of a device above the disk. hold_block() asks for the disk's own one by one. */
static int find_partitions(struct use *u, const char *name)
{
	const struct hold_links *l = &u->c->view->block;
	char inside[96], text[sizeof(u->text) + 80];
	struct use above;

	(void)snprintf(inside, sizeof(inside), "/block/%s/", name);
	for (size_t i = 0; u->depth && i < l->count; i++) {
		if (!strstr(l->list[i].target, inside))
			continue;
		int r = disk_look_above(u, l->list[i].name, &above);
		if (r < 0)
			return r;
		(void)snprintf(text, sizeof(text), "%s, %s", l->list[i].name, above.text);
		if (above.text[0])
			use_append(u, "partition ", text);
	}
	return 0;
}

static void find_exports(struct use *u, const struct hold_disk *d)
{
	const struct hold_view *v = u->c->view;

	for (size_t i = 0; i < v->export_count; i++) {
		const struct hold_export *x = &v->exports[i];

		if (x->is_known && x->number.kind == HOST_NUMBER_BLOCK && d->number &&
			x->number.dev == d->number)
			use_append(u, x->text, "");
	}
}

/* A claimed device above the disk without a visible user: a ZFS pool on dm-crypt. */
static void find_claim(struct use *u, const struct hold_disk *d)
{
	const struct hold_view *v = u->c->view;
	int busy = v->host->ops->block_busy(v->host, d->name);

	if (busy == 0 || busy == -ENOMEDIUM || busy == -ENXIO)
		return;
	u->absolute = u->absolute || hold_mounts_hide_disks(v);
	if (busy == 1)
		use_append(u, "in use by the kernel: a file system, a volume or a pool", "");
}

/* What @name is used for, as far as the kernel shows it. */
static int disk_look(struct use *u, const char *name)
{
	struct host *h = u->c->view->host;
	char path[FILE_PATH_MAX];
	struct hold_disk d;

	int r = disk_read(h, name, &d);
	if (r < 0)
		return r;
	find_mounts(u, &d);
	find_layers(u, &d);
	find_swap(u, &d);
	find_exports(u, &d);
	r = file_path(path, sizeof(path), "/sys/class/block/%s/holders", name);
	if (r < 0)
		return r;
	r = h->ops->list(h, path, disk_look_holder, u);
	if (r < 0 && r != -ENOENT)
		return r;
	r = find_loops(u, &d);
	if (r < 0)
		return r;
	r = find_partitions(u, name);
	if (r < 0)
		return r;
	r = find_images(u, &d);
	if (r == 0 && u->depth && !u->text[0])
		find_claim(u, &d);
	return r;
}

int hold_disk_uses(struct hold_case *c, const struct hold_disk *d, struct hold_uses *ret)
{
	unsigned visits = 0;
	struct use u = {.c = c, .visits = &visits};

	find_mounts(&u, d);
	find_layers(&u, d);
	int r = find_images(&u, d);
	ret->absolute = u.absolute;
	memcpy(ret->text, u.text, sizeof(ret->text));
	return r;
}

/* A claim that was refused, if no other user explains it. */
static int claim_judge_silent(struct hold_case *c, const char *name, bool explained)
{
	struct hold_view *v = c->view;
	int busy = v->host->ops->block_busy(v->host, name);

	if (busy == 0 || explained || busy == -ENOMEDIUM || busy == -ENXIO)
		return 0;
	if (busy == 1)
		return hold_add(c, "block", hold_mounts_hide_disks(v) ? HOLD_ABSOLUTE : HOLD_PLAIN,
			name, "in use by the kernel: a file system, a volume or a pool");
	if (busy == -ENODEV)
		return hold_add(c, "block", HOLD_UNSURE, name,
			"whether it is in use cannot be told: no node in /dev has its number");
	return hold_add(c, "block", HOLD_UNSURE, name, "whether it is in use cannot be told: %s",
		strerror(-busy));
}

/* A path of NVMe multipath has a disk without a node; the subsystem's disk represents it. */
static bool is_hidden(struct host *h, const char *name)
{
	char path[FILE_PATH_MAX];
	uint64_t hidden = 0;

	return file_path(path, sizeof(path), "/sys/class/block/%s/hidden", name) == 0 &&
	       host_read_number(h, path, &hidden) == 0 && hidden;
}

static bool is_partition(struct host *h, const char *name)
{
	char path[FILE_PATH_MAX];
	uint64_t n;

	return file_path(path, sizeof(path), "/sys/class/block/%s/partition", name) == 0 &&
	       host_read_number(h, path, &n) == 0;
}

/* Return: 1 when @name is held, 0, -errno. */
static int disk_judge(struct hold_case *c, const char *name, bool explained)
{
	unsigned visits = 0;
	struct use u = {.c = c, .visits = &visits};
	size_t before = c->found->count;

	int r = disk_look(&u, name);
	if (r < 0)
		return r;
	if (u.text[0])
		r = hold_add(
			c, "block", u.absolute ? HOLD_ABSOLUTE : HOLD_PLAIN, name, "%s", u.text);
	else
		r = claim_judge_silent(c, name, explained);
	return r < 0 ? r : c->found->count > before;
}

/* A loop device that does not tell what it is over may be over any disk. */
static int find_unknown_loop(struct hold_case *c, const char *disk)
{
	const struct hold_view *v = c->view;

	for (size_t i = 0; i < v->nr_loops; i++) {
		const struct hold_loop *l = &v->loops[i];

		if (l->is_told || l->error == -ENOENT || l->error == -ENXIO)
			continue;
		return hold_add(c, "block", HOLD_UNSURE, disk,
			"whether it is below %s cannot be told: that is over '%s'", l->name,
			l->file);
	}
	return 0;
}

/* A whole disk; its name is noted for who wants to claim it. */
static int whole_judge(struct hold_case *c, const char *name, bool explained)
{
	struct holds *f = c->found;
	struct hold_disk_name *list = reallocarray(f->disks, f->disk_count + 1, sizeof(*f->disks));

	if (!list)
		return -ENOMEM;
	f->disks = list;
	/* Names in a view of links fit. */
	(void)snprintf(list[f->disk_count++].text, sizeof(list->text), "%s", name);
	return disk_judge(c, name, explained);
}

int hold_block_named(struct hold_case *c, const char *name)
{
	const struct hold_links *l = &c->view->block;
	char inside[96];
	bool held = false;

	(void)snprintf(inside, sizeof(inside), "/block/%s/", name);
	int r = hold_view_disks(c->view);
	/* Partitions first, as below. */
	for (size_t i = 0; r >= 0 && i < l->count; i++) {
		if (!strstr(l->list[i].target, inside))
			continue;
		r = disk_judge(c, l->list[i].name, false);
		held = held || r > 0;
	}
	if (r >= 0)
		r = disk_judge(c, name, held);
	if (r < 0 || held || r)
		return r;
	return find_unknown_loop(c, name);
}

#define BASE_STORAGE 0x01 /* PCI Code and ID Assignment Specification, section 1 */

int hold_block(struct hold_case *c)
{
	const struct hold_links *l = &c->view->block;
	struct host *h = c->view->host;
	const char *disk = NULL;
	bool held = false;
	int r = 0;

	if (c->device->class >> 16 == BASE_STORAGE)
		r = hold_view_disks(c->view);
	/* Partitions first: one that is claimed explains why its disk cannot be. */
	for (int pass = 0; r == 0 && pass < 2; pass++) {
		for (size_t i = 0; i < l->count; i++) {
			const struct hold_link *b = &l->list[i];

			if (!hold_reaches(c, b->target))
				continue;
			if (is_partition(h, b->name) != (pass == 0) || is_hidden(h, b->name))
				continue;
			r = hold_view_disks(c->view);
			if (r == 0)
				r = pass == 0 ? disk_judge(c, b->name, false)
					      : whole_judge(c, b->name, held);
			if (r < 0)
				return r;
			held = held || r;
			disk = pass == 1 ? b->name : disk;
		}
	}
	if (r >= 0)
		r = hold_block_characters(c);
	if (r < 0 || held || !disk)
		return r;
	r = find_unknown_loop(c, disk);
	return r < 0 ? r : hold_block_unknown(c, disk);
}
