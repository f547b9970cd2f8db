/* SPDX-License-Identifier: MIT */
#ifndef IMAGE_MAKE_H
#define IMAGE_MAKE_H

#include <stddef.h>
#include <stdint.h>

struct err;

/* The limit of Linux for a file; no disk is larger. */
#define MAKE_SIZE_MAX ((uint64_t)INT64_MAX & ~UINT64_C(0xfff))

/*
 * Makes an empty image of @size bytes at @path, mode 0600. A raw one is a sparse file that usher
 * makes itself; the others come from a confined qemu-img, which has no file but an empty one.
 * Return: 0; -EEXIST @path is there; -EINVAL; -ENOENT qemu-img is not installed; -ENOSPC, -errno.
 */
int image_make(
	const char *path, const char *format, uint64_t size, const char *run_dir, struct err *e);

struct overlay_request {
	const char *path;
	const char *backing;
	const char *format; /* of @backing; NULL: by its first bytes, if its name tells the same */
	const char *const *named; /* its own backing files, which the user named */
	size_t named_count;
	const char *run_dir; /* BIND_STATE_DIR */
};

/*
 * Makes an image of format qcow2, in which the changes to the image @q->backing go. *@ret_size:
 * [bytes].
 * Return: the same; -EBUSY the backing file is in use; -EPERM its own ones are not all there.
 */
int image_overlay(const struct overlay_request *q, uint64_t *ret_size, struct err *e);

#endif
