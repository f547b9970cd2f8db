/* SPDX-License-Identifier: MIT */
/*
 * How it works
 *
 * Mounts as the kernel lists them, and the disks that each lies on. Most file systems have the
 * device number of their disk. Those that span several disks (btrfs, ZFS, bcachefs) have an
 * anonymous number instead, and one disk at most as their source:
 *
 *	btrfs		/sys/fs/btrfs/UUID/devices/ has all disks of a file system
 *	bcachefs	the source is a list, "/dev/sda:/dev/sdb"
 *	ZFS		their disks are unknown; see hold_mounts_hide_disks()
 *	overlay		its layers are folders elsewhere (layer.c), perhaps out of sight
 *	9p, virtiofs	the source is the tag of a virtio device (share.c)
 *
 * Invariant: disks are compared by device number. A name counts only where the kernel or /dev
 * gives no number for it, and a btrfs whose source leads nowhere is on every disk of any btrfs:
 * what the host needs is not lent on a guess.
 */
#include "base/file.h"
#include "base/num.h"
#include "hold/view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

bool hold_mount_is_needed(const struct hold_mount *m)
{
	static const char *const places[] = {"/", "/usr", "/boot", "/etc", "/var", "/nix",
		"/nix/store", "/gnu/store", "/sysroot"};

	for (size_t i = 0; i < COUNT(places); i++)
		if (strcmp(m->where, places[i]) == 0)
			return true;
	return strncmp(m->where, "/boot/", 6) == 0;
}

/* The next word of a line, cut off at its blank; NULL at the end. */
static char *word_next(char **line)
{
	return *line ? strsep(line, " ") : NULL;
}

/* "ID PARENT MAJOR:MINOR ROOT WHERE OPTIONS [MORE…] - TYPE SOURCE OPTIONS" */
static bool mount_parse(char *line, struct hold_mount *ret)
{
	char *rest = strstr(line, " - ");
	unsigned major, minor;
	char *number = NULL, *where = NULL;

	if (!rest)
		return false;
	*rest = '\0';
	rest += 3;
	for (size_t i = 0; i < 5; i++) {
		where = word_next(&line);
		number = i == 2 ? where : number;
	}
	char *type = word_next(&rest), *source = word_next(&rest);
	const char *options = word_next(&rest);
	if (!where || !number || !source || sscanf(number, "%u:%u", &major, &minor) != 2)
		return false;
	file_unescape(source);
	*ret = (struct hold_mount){.number = makedev(major, minor),
		.where = where,
		.type = type,
		.source = source,
		.options = options ? options : ""};
	return true;
}

/* "259:1" in sysfs. Return: the number, 0 for none. */
dev_t hold_block_number(struct host *h, const char *name)
{
	char path[FILE_PATH_MAX], text[32];
	unsigned major, minor;

	if (file_path(path, sizeof(path), "/sys/class/block/%s/dev", name) < 0 ||
		host_read_text(h, path, text, sizeof(text)) < 0 ||
		sscanf(text, "%u:%u", &major, &minor) != 2)
		return 0;
	return makedev(major, minor);
}

/*
 * A node in /dev with the name of one disk and the number of another, as a chroot may have it, was
 * not made by the kernel. Which of the two the mounter saw cannot be told.
 */
dev_t hold_path_number(struct host *h, const char *path)
{
	struct host_number number;

	if (strncmp(path, "/dev/", 5) != 0)
		return 0;
	dev_t named = strchr(path + 5, '/') ? 0 : hold_block_number(h, path + 5);
	if (h->ops->number(h, path, &number) < 0)
		return named;
	bool is_other = named && named != number.dev;
	return number.kind == HOST_NUMBER_BLOCK && !is_other ? number.dev : 0;
}

struct volume_reader {
	struct hold_view *view;
	const char *uuid;
	int result;
};

static int volume_add(void *arg, const char *name)
{
	struct volume_reader *r = arg;
	struct hold_view *v = r->view;
	struct hold_volume *list =
		reallocarray(v->volumes, v->volume_count + 1, sizeof(*v->volumes));

	if (!list)
		return r->result = -ENOMEM;
	v->volumes = list;
	struct hold_volume *x = &list[v->volume_count++];
	*x = (struct hold_volume){.number = hold_block_number(v->host, name)};
	(void)snprintf(x->uuid, sizeof(x->uuid), "%s", r->uuid);
	return 0;
}

/* Among the file systems' folders is one of features, without devices. */
static int volume_list(void *arg, const char *uuid)
{
	struct volume_reader *r = arg;
	char folder[FILE_PATH_MAX];

	r->uuid = uuid;
	if (file_path(folder, sizeof(folder), "/sys/fs/btrfs/%s/devices", uuid) == 0)
		(void)r->view->host->ops->list(r->view->host, folder, volume_add, r);
	return r->result;
}

static int volumes_read(struct hold_view *v)
{
	struct volume_reader r = {.view = v};

	(void)v->host->ops->list(v->host, "/sys/fs/btrfs", volume_list, &r);
	return r.result;
}

static int mount_add(struct hold_view *v, const struct hold_mount *m)
{
	if (v->mount_count == 0 || is_pow2(v->mount_count)) {
		size_t room = v->mount_count ? 2 * v->mount_count : 1;
		struct hold_mount *list = reallocarray(v->mounts, room, sizeof(*list));
		if (!list)
			return -ENOMEM;
		v->mounts = list;
	}
	v->mounts[v->mount_count++] = *m;
	return 0;
}

bool hold_number_is_anonymous(dev_t number)
{
	return major(number) == 0;
}

int hold_mounts_parse(struct hold_view *v, char *text)
{
	bool has_volumes = false;
	char *rest = text;
	int r = 0;

	for (char *line = strsep(&rest, "\n"); line && r == 0; line = strsep(&rest, "\n")) {
		struct hold_mount m;

		if (!mount_parse(line, &m))
			continue;
		if (hold_number_is_anonymous(m.number))
			m.node = hold_path_number(v->host, m.source);
		if (strcmp(m.type, "btrfs") == 0 && !has_volumes) {
			has_volumes = true;
			r = volumes_read(v);
		}
		if (r == 0)
			r = mount_add(v, &m);
	}
	return r;
}

/* The file system of a volume; NULL for what is none. */
static const char *volume_uuid(const struct hold_view *v, dev_t number)
{
	for (size_t i = 0; number && i < v->volume_count; i++)
		if (v->volumes[i].number == number)
			return v->volumes[i].uuid;
	return NULL;
}

static bool btrfs_is_on(const struct hold_view *v, const struct hold_mount *m, dev_t number)
{
	const char *ours = volume_uuid(v, number), *its = volume_uuid(v, m->node);

	return ours && (!its || strcmp(ours, its) == 0);
}

/* Whether a list "/dev/sda:/dev/sdb" has the disk. */
static bool list_has(struct host *h, const char *list, dev_t number)
{
	char path[FILE_PATH_MAX];

	for (; number && *list; list += strcspn(list, ":"), list += *list == ':')
		if (file_path(path, sizeof(path), "%.*s", (int)strcspn(list, ":"), list) == 0 &&
			hold_path_number(h, path) == number)
			return true;
	return false;
}

/* 9p has other transports as well, and names the one that it uses. */
static bool mount_is_on_share(const struct hold_mount *m, const struct hold_disk *d)
{
	if (strcmp(m->type, d->share) != 0 || (*d->tag && strcmp(m->source, d->tag) != 0))
		return false;
	return !strstr(m->options, "trans=") || strstr(m->options, "trans=virtio");
}

bool hold_mount_is_on(
	const struct hold_view *v, const struct hold_mount *m, const struct hold_disk *d)
{
	if (d->share)
		return mount_is_on_share(m, d);
	if (m->number == d->number || !hold_number_is_anonymous(m->number))
		return d->number && m->number == d->number;
	if (m->node && m->node == d->number)
		return true;
	if (!m->node && strncmp(m->source, "/dev/", 5) == 0 &&
		(strcmp(m->source + 5, d->name) == 0 ||
			(*d->alias && strcmp(file_base(m->source), d->alias) == 0)))
		return true;
	if (strcmp(m->type, "btrfs") == 0)
		return btrfs_is_on(v, m, d->number);
	return strcmp(m->type, "bcachefs") == 0 && list_has(v->host, m->source, d->number);
}

static int stop_at_name(void *arg, const char *name)
{
	return 1;
}

/*
 * A virtual disk that shows nothing below it, as a volume of ZFS. Memory has nothing below it, and
 * a loop device names its file.
 */
static bool disk_hides_disks(const struct hold_view *v, dev_t number)
{
	static const char mark[] = "/virtual/block/";
	char path[FILE_PATH_MAX], target[HOLD_TARGET_MAX], name[64];

	if (file_path(path, sizeof(path), "/sys/dev/block/%u:%u", major(number), minor(number)) <
			0 ||
		v->host->ops->link(v->host, path, target, sizeof(target)) < 0)
		return false;
	const char *at = strstr(target, mark);
	if (!at || file_path(name, sizeof(name), "%s", at + sizeof(mark) - 1) < 0)
		return false;
	name[strcspn(name, "/")] = '\0';
	if (strncmp(name, "ram", 3) == 0 || strncmp(name, "zram", 4) == 0 ||
		strncmp(name, "loop", 4) == 0)
		return false;
	return file_path(path, sizeof(path), "/sys/class/block/%s/slaves", name) == 0 &&
	       v->host->ops->list(v->host, path, stop_at_name, NULL) != 1;
}

static bool mount_hides_disks(const struct hold_view *v, const struct hold_mount *m)
{
	static const char *const types[] = {"btrfs", "zfs", "bcachefs", "overlay", "aufs", "erofs"};

	if (!hold_number_is_anonymous(m->number))
		return disk_hides_disks(v, m->number);
	for (size_t i = 0; i < COUNT(types); i++)
		if (strcmp(m->type, types[i]) == 0)
			return true;
	return false;
}

bool hold_mounts_hide_disks(const struct hold_view *v)
{
	for (size_t i = 0; i < v->mount_count; i++)
		if (hold_mount_is_needed(&v->mounts[i]) && mount_hides_disks(v, &v->mounts[i]))
			return true;
	for (size_t i = 0; i < v->swap_count; i++)
		if (!v->swaps[i].is_file && disk_hides_disks(v, v->swaps[i].number))
			return true;
	return false;
}

const struct hold_mount *hold_mount_of_path(const struct hold_view *v, const char *path)
{
	const struct hold_mount *best = NULL;
	size_t longest = 0;

	for (size_t i = 0; i < v->mount_count; i++) {
		char where[FILE_PATH_MAX];

		if (file_path(where, sizeof(where), "%s", v->mounts[i].where) < 0)
			continue;
		file_unescape(where);
		size_t n = strlen(where);
		n -= n == 1; /* "/" is above every path */
		if (strncmp(path, where, n) == 0 && (path[n] == '/' || path[n] == '\0') &&
			(!best || n >= longest)) {
			best = &v->mounts[i];
			longest = n;
		}
	}
	return best;
}

const struct hold_mount *hold_mount_of_number(const struct hold_view *v, dev_t number)
{
	for (size_t i = 0; i < v->mount_count; i++)
		if (v->mounts[i].number == number)
			return &v->mounts[i];
	return NULL;
}

bool hold_image_is_on(
	const struct hold_view *v, const struct hold_loop *l, const struct hold_disk *d)
{
	if (l->is_told && l->number.kind != HOST_NUMBER_FILE)
		return false;
	if (!l->is_told && strstr(l->file, "/dev/"))
		return false; /* most likely a disk: compared by its name */
	if (l->is_told && !hold_number_is_anonymous(l->number.dev))
		return d->number && l->number.dev == d->number;
	/* A file of btrfs has the number of its subvolume, which no mount has. */
	const struct hold_mount *m = l->is_told ? hold_mount_of_number(v, l->number.dev) : NULL;
	m = m ? m : hold_mount_of_path(v, l->file);
	return m && hold_mount_is_on(v, m, d);
}
