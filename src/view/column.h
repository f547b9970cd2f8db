/* SPDX-License-Identifier: MIT */
#ifndef VIEW_COLUMN_H
#define VIEW_COLUMN_H

#include "pci/vfs.h"
#include "view/lookup.h"
#include "view/table.h"

#include <stddef.h>

struct host;
struct inventory_entry;
struct names;

/* What a cell is made of; the parts that cost something are read when a column needs them. */
struct column_view {
	struct host *host;
	struct names *names; /* NULL: ids stand for themselves */
	struct lookup_names *nodes; /* NULL until column_view_read() */
};

struct column {
	const char *name; /* "used-by"; its heading is in capitals with blanks */
	int how; /* TABLE_* */
	/* The text of a cell; "-" for nothing. */
	void (*fill)(const struct column_view *v, const struct inventory_entry *x, char *buf,
		size_t size);
};

#define COLUMNS_MAX 24
#define COLUMN_TEXT 512

/* A selection, in the order in which it is shown. */
struct columns {
	size_t count;
	const struct column *list[COLUMNS_MAX];
};

/* What is shown when nothing else is asked for. */
struct columns columns_default(void);

/*
 * "address,driver", or "+numa" to add to what is there.
 * Return: 0, -EINVAL with the name that there is none of in *@ret_wrong, -E2BIG.
 */
int columns_parse(struct columns *c, const char *text, char ret_wrong[32]);

/* Whether one of them is called @name. */
bool columns_have(const struct columns *c, const char *name);

/* Leaves a column out. */
void columns_drop(struct columns *c, const char *name);

/* Reads what these columns need beyond the inventory. Return: 0, -ENOMEM. */
int columns_read(const struct columns *c, struct column_view *v, struct lookup_names *store);

/* "USED BY" */
void column_heading(const struct column *c, char *buf, size_t size);

#endif
