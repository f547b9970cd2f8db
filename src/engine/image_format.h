/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_IMAGE_FORMAT_H
#define ENGINE_IMAGE_FORMAT_H

#include <stdbool.h>
#include <stddef.h>

struct err;

#define IMAGE_FORMAT_MAX 16

/* The formats of disk images. */
struct image_format {
	const char *name; /* as QEMU calls it */
	bool is_known; /* usher has qemu-img read it; else it is only recognised */
	bool is_made; /* `usher image create` makes it */
	bool has_backing; /* it may name a backing file */
	bool backs_itself; /* such a file has the same format, and the header does not say so */
};

/* Return: NULL for a name that no format has. */
const struct image_format *image_format_find(const char *name);

/* The @i-th; NULL behind the last. */
const struct image_format *image_format_at(size_t i);

/*
 * The format whose signature an open file has; "raw" if it has none. Return: 0, -errno.
 */
int image_format_read(int fd, const struct image_format **ret);

#endif
