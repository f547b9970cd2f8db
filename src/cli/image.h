/* SPDX-License-Identifier: MIT */
#ifndef CLI_IMAGE_H
#define CLI_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct image_chain;

/* What `usher image` has done, or has found. */
struct image_report {
	const char *action;
	const char *path;
	const char *format; /* NULL: not known */
	bool has_size, has_old_size;
	uint64_t size, old_size; /* [bytes] that a guest sees */
	const struct image_chain *chain; /* of info; NULL */
	const struct err *problem; /* why usher refused; NULL */
};

/* On standard output. Return: 0, -ENOMEM. */
int image_report_json(const struct image_report *r, struct err *e);
void image_report_text(const struct image_report *r);

#endif
