/* SPDX-License-Identifier: MIT */
#include "image/paper_tree.h"

#include <errno.h>
#include <string.h>

static const struct paper_file *paper_find(const struct paper_file *f, const char *path)
{
	while (f->path && strcmp(f->path, path) != 0)
		f++;
	return f->path ? f : NULL;
}

static int paper_read(void *arg, const char *path, size_t max, char **ret)
{
	const struct paper_file *f = paper_find(arg, path);

	if (!f)
		return -ENOENT;
	if (strlen(f->text) > max)
		return -EFBIG;
	*ret = strdup(f->text);
	return *ret ? 0 : -ENOMEM;
}

static bool paper_has(void *arg, const char *path)
{
	return paper_find(arg, path) != NULL;
}

static int paper_list(
	void *arg, const char *path, void (*each)(void *to, const char *name), void *to)
{
	size_t len = strcmp(path, "/") == 0 ? 0 : strlen(path);

	for (const struct paper_file *f = arg; f->path; f++)
		if (strncmp(f->path, path, len) == 0 && f->path[len] == '/' &&
			!strchr(f->path + len + 1, '/'))
			each(to, f->path + len + 1);
	return 0;
}

const struct tree_ops paper_ops = {.read = paper_read, .has_file = paper_has, .list = paper_list};
