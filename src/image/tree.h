/* SPDX-License-Identifier: MIT */
#ifndef IMAGE_TREE_H
#define IMAGE_TREE_H

#include <stdbool.h>
#include <stddef.h>

/* A file system that can be read: one in an image, or a test's. Paths are absolute. */
#define TREE_NAMES_MAX 4096 /* of a folder: the rest is not listed */

struct tree_ops {
	/*
	 * The whole of a file of at most @max bytes, which a NUL follows. *@ret: free().
	 * Return: 0, -ENOENT, -EFBIG, -errno.
	 */
	int (*read)(void *arg, const char *path, size_t max, char **ret);
	/* Whether a regular file has that path, through symbolic links. */
	bool (*has_file)(void *arg, const char *path);
	/* Calls @each with each name of a folder. Return: 0, -ENOENT, -errno. */
	int (*list)(
		void *arg, const char *path, void (*each)(void *to, const char *name), void *to);
};

struct tree {
	const struct tree_ops *ops;
	void *arg;
};

#endif
