/* SPDX-License-Identifier: MIT */
#ifndef IMAGE_RESIZE_H
#define IMAGE_RESIZE_H

#include <stdbool.h>
#include <stdint.h>

struct err;

enum resize_how { RESIZE_TO, RESIZE_BY, RESIZE_BY_LESS };

struct resize_request {
	const char *path;
	const char *format; /* that the user named; NULL: writable_format() */
	enum resize_how how;
	uint64_t bytes;
	bool shrink; /* the user knows that a smaller disk loses what lies behind its end */
	const char *run_dir; /* BIND_STATE_DIR */
};

struct resize_done {
	const char *format;
	uint64_t old, new; /* [bytes] */
};

/*
 * Changes the size of an image that nobody uses. Return: 0; -EBUSY in use;
 * -EPERM smaller, and not said so; -EINVAL; -errno.
 */
int image_resize(const struct resize_request *q, struct resize_done *ret, struct err *e);

#endif
