/* SPDX-License-Identifier: MIT */
#ifndef IMAGE_EXT_H
#define IMAGE_EXT_H

#include "image/tree.h"

#include <stdbool.h>
#include <stdint.h>

struct err;
struct source;
struct volume;

/* An ext2, ext3 or ext4 file system, opened for reading by libext2fs. */
struct ext {
	struct struct_ext2_filsys *fs;
	const struct source *source; /* of the disk, the caller's */
	uint64_t start, size; /* [bytes] of the file system in it */
};

#define EXT_NONE ((struct ext){0})

/* @ret stays where it is. Return: 0; -EINVAL with the library's reason. */
int ext_open(const struct source *s, const struct volume *v, struct ext *ret, struct err *e);
void ext_close(struct ext *x);

/* It was not unmounted: its journal has changes that are not in place, and are not read. */
bool ext_is_unclean(const struct ext *x);

/* The operations of a tree, whose argument is a struct ext. */
extern const struct tree_ops ext_tree_ops;

/*
 * Appends the file @path to @to. Return: its size; -EFBIG more than @max bytes; -EINVAL; -errno.
 */
int64_t ext_copy(struct ext *x, const char *path, uint64_t max, int to, struct err *e);

#endif
