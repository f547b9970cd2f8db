/* SPDX-License-Identifier: MIT */
/*
 * How it works
 *
 * A file system that the host needs may be made of others: an overlay of folders, an image that
 * erofs mounts by itself, a FUSE file system over a folder. The kernel shows only the paths that
 * the mounter wrote. They may come from before the root changed (an initramfs), and then mean
 * nothing here, or something else.
 *
 * Invariant: a layer only adds a reason to refuse. That a path leads nowhere proves nothing, and
 * hold_mounts_hide_disks() knows such mounts by their type. Where a path leads is asked by number.
 */
#include "base/file.h"
#include "base/num.h"
#include "hold/view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 4 /* overlays of overlays */

/* A search for the layers of one file system that the host needs. */
struct layer_search {
	struct hold_view *view;
	const char *where;
	unsigned depth;
};

static int layers_find(struct layer_search *s, const struct hold_mount *m);

static int layer_add(struct layer_search *s, const char *path)
{
	struct hold_view *v = s->view;
	struct host_number number;
	int r = 0;

	if (path[0] != '/' || v->host->ops->number(v->host, path, &number) < 0 ||
		number.kind == HOST_NUMBER_CHAR)
		return 0;
	struct hold_layer *list = reallocarray(v->layers, v->layer_count + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	v->layers = list;
	struct hold_layer l = {.where = s->where, .number = number.dev};
	l.mount = hold_mount_of_number(v, l.number);
	/* A folder of btrfs has the number of its subvolume, which no mount has. */
	if (!l.mount && hold_number_is_anonymous(l.number))
		l.mount = hold_mount_of_path(v, path);
	list[v->layer_count++] = l;
	if (l.mount && s->depth < DEPTH_MAX) {
		s->depth++;
		r = layers_find(s, l.mount);
		s->depth--;
	}
	return r;
}

/* The next of "A:B::C" in place, where "\:" is a colon of a name; NULL at the end. */
static char *path_next(char **rest)
{
	char *from = *rest, *out = from, *in = from;

	if (!from)
		return NULL;
	for (; *in && *in != ':'; in++) {
		in += in[0] == '\\' && in[1];
		*out++ = *in;
	}
	*rest = *in ? in + 1 : NULL;
	*out = '\0';
	return from;
}

static int layers_add(struct layer_search *s, const char *list, size_t length)
{
	char text[4096];
	char *rest = text;
	int r = 0;

	if (length >= sizeof(text))
		length = sizeof(text) - 1;
	(void)snprintf(text, sizeof(text), "%.*s", (int)length, list);
	file_unescape(text);
	for (char *path = path_next(&rest); path && r == 0; path = path_next(&rest))
		r = layer_add(s, path);
	return r;
}

static bool option_is_layer(const char *option)
{
	static const char *const keys[] = {
		"lowerdir=", "lowerdir+=", "datadir+=", "upperdir=", "br="};

	for (size_t i = 0; i < COUNT(keys); i++)
		if (strncmp(option, keys[i], strlen(keys[i])) == 0)
			return true;
	return false;
}

static int layers_find(struct layer_search *s, const struct hold_mount *m)
{
	int r = 0;

	if (!hold_number_is_anonymous(m->number))
		return 0;
	if (m->source[0] == '/' && strncmp(m->source, "/dev/", 5) != 0)
		r = layers_add(s, m->source, strlen(m->source));
	for (const char *p = m->options; r == 0 && *p;) {
		size_t n = strcspn(p, ",");
		const char *value = memchr(p, '=', n);

		if (value && option_is_layer(p))
			r = layers_add(s, value + 1, n - (size_t)(value + 1 - p));
		p += n + (p[n] == ',');
	}
	return r;
}

int hold_layers_read(struct hold_view *v)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < v->mount_count; i++) {
		const struct hold_mount *m = &v->mounts[i];
		struct layer_search s = {.view = v, .where = m->where};

		if (hold_mount_is_needed(m))
			r = layers_find(&s, m);
	}
	return r;
}

bool hold_layer_is_on(
	const struct hold_view *v, const struct hold_layer *l, const struct hold_disk *d)
{
	if (!hold_number_is_anonymous(l->number))
		return d->number && l->number == d->number;
	return l->mount && hold_mount_is_on(v, l->mount, d);
}
