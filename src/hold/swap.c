/* SPDX-License-Identifier: MIT */
/* Swap spaces: a disk, or a file on one. A process whose memory is there does not outlive it. */
#include "base/file.h"
#include "hold/view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int swap_add(struct hold_view *v, const char *name, bool is_file)
{
	struct hold_swap *list = reallocarray(v->swaps, v->swap_count + 1, sizeof(*list));
	struct hold_swap s = {.name = name, .is_file = is_file};
	struct host_number number;
	char path[FILE_PATH_MAX];

	if (!list)
		return -ENOMEM;
	v->swaps = list;
	if (file_path(path, sizeof(path), "%s", name) < 0)
		return 0;
	file_unescape(path);
	if (!is_file)
		s.number = hold_path_number(v->host, path);
	else if (v->host->ops->number(v->host, path, &number) == 0)
		s.number = number.dev;
	if (is_file)
		s.mount = s.number ? hold_mount_of_number(v, s.number) : NULL;
	if (is_file && !s.mount)
		s.mount = hold_mount_of_path(v, path);
	list[v->swap_count++] = s;
	return 0;
}

/* "NAME TYPE SIZE USED PRIORITY", with blanks and tabs between them. */
int hold_swaps_parse(struct hold_view *v)
{
	char *rest = v->swap_text;
	int r = 0;

	for (char *line = strsep(&rest, "\n"); line && r == 0; line = strsep(&rest, "\n")) {
		char *name = strsep(&line, " \t");

		if (name[0] != '/' || !line)
			continue;
		line += strspn(line, " \t");
		r = swap_add(v, name, strncmp(line, "file", 4) == 0);
	}
	return r;
}

/* The kernel names a disk by the node that was opened, which may be anywhere or gone. */
bool hold_swap_is_on(
	const struct hold_view *v, const struct hold_swap *s, const struct hold_disk *d)
{
	const char *base = file_base(s->name);

	if (s->is_file && (!s->number || hold_number_is_anonymous(s->number)))
		return s->mount && hold_mount_is_on(v, s->mount, d);
	if (s->number)
		return d->number == s->number;
	return strcmp(base, d->name) == 0 || (*d->alias && strcmp(base, d->alias) == 0);
}
