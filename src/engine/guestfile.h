/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_GUESTFILE_H
#define ENGINE_GUESTFILE_H

/*
 * The text of a guest file, usher-guest(5): sections, and keys with a value or without. It knows
 * none of their names; cli/guestwords.h turns them into options of `usher run`.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct err;

#define GUESTFILE_MAX 65536 /* [bytes] of a whole file */
#define GUESTFILE_LINE_MAX 4096 /* [bytes] of a line, without its newline */

struct guestfile_key {
	const char *name;
	const char *value; /* NULL: the name stands alone */
	unsigned line;
};

struct guestfile_section {
	const char *name;
	unsigned line;
	size_t first, count; /* of its keys */
};

struct guestfile {
	char *text; /* names and values point into it */
	struct guestfile_section *sections;
	size_t section_count;
	struct guestfile_key *keys;
	size_t key_count;
};

#define GUESTFILE_NONE ((struct guestfile){0})

/*
 * Parses @len bytes of @text. @name: of the file, for messages, which begin with "NAME:LINE: ".
 * Return: 0; -EINVAL; -ENOMEM. On success, guestfile_free().
 */
int guestfile_parse(
	const char *name, const char *text, size_t len, struct guestfile *ret, struct err *e);
void guestfile_free(struct guestfile *f);

/* Writes "KEY = VALUE", or "KEY" if @value is NULL, so that a parser finds the same again. */
void guestfile_put(FILE *out, const char *key, const char *value);

/* Whether guestfile_put() can write @value: it has no character that a guest file must not have. */
bool guestfile_takes(const char *value);

/* Names a place in @e, in front of its message. Return: @code. */
int guestfile_blame(struct err *e, int code, const char *name, unsigned line, unsigned column);

#endif
