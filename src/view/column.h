/* SPDX-License-Identifier: MIT */
#ifndef VIEW_COLUMN_H
#define VIEW_COLUMN_H

#include "view/table.h"

#include <stddef.h>

struct inventory_entry;
struct listing;

struct column {
	const char *name; /* "used-by"; the heading is in capitals, with blanks */
	int how; /* TABLE_* */
	/* Writes the text of a cell; "-" for nothing. */
	void (*fill)(
		const struct listing *l, const struct inventory_entry *x, char *buf, size_t size);
};

#define COLUMNS_MAX 24
#define COLUMN_TEXT 512

/* A selection, in the order in which it is shown. */
struct columns {
	size_t count;
	const struct column *list[COLUMNS_MAX];
};

/* The selection of `usher list` without --output. */
struct columns columns_default(void);

/*
 * Parses "address,driver"; "+numa" adds to the columns in @c.
 * Return: 0, -EINVAL with the unknown name in *@ret_wrong, -E2BIG.
 */
int columns_parse(struct columns *c, const char *text, char ret_wrong[32]);

/* The names of all columns; NULL after the last. */
const char *column_name_at(unsigned i);

/* NULL if there is no column @name in the selection. */
const struct column *columns_find(const struct columns *c, const char *name);

/* Removes column @name from the selection. */
void columns_drop(struct columns *c, const char *name);

/* The parts of a listing (LISTING_*) that these columns show. */
unsigned columns_parts(const struct columns *c);

/* "USED BY" */
void column_heading(const struct column *c, char *buf, size_t size);

#endif
