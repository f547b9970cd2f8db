/* SPDX-License-Identifier: MIT */
#ifndef VIEW_TABLE_H
#define VIEW_TABLE_H

#include <stdbool.h>
#include <stddef.h>

struct err;
struct table;

enum { TABLE_LEFT = 0, TABLE_RIGHT = 1, TABLE_SHRINK = 2, TABLE_TREE = 4, TABLE_WRAP = 8 };

struct table_column {
	const char *name;
	/* On a narrow terminal: TABLE_SHRINK is cut first, TABLE_WRAP takes more lines. */
	int how;
};

enum table_colour { TABLE_PLAIN, TABLE_GOOD, TABLE_BAD, TABLE_DIM, TABLE_BOLD };

/*
 * An aligned table on standard output (libsmartcols, as lsblk). On a terminal it is fitted to
 * the width, and coloured unless NO_COLOR is set or TERM is dumb. Cells are escaped here. If memory
 * runs out later, table_print() fails.
 * Return: 0, -ENOPKG, -ENOMEM.
 */
int table_new(const struct table_column *columns, size_t count, struct table **ret, struct err *e);

/* True on a terminal that shows colours, unless NO_COLOR is set. */
bool table_wants_colour(void);

/* Breaks the lines of the column with TABLE_WRAP between words, at @room columns (0: never). */
void table_wrap(struct table *t, unsigned room);

/* Appends a row below @parent (a row of a tree; NULL: at the top). */
void *table_row(struct table *t, void *parent);

/* Sets a cell of the last row. */
void table_set(struct table *t, size_t column, const char *text, enum table_colour colour);

int table_print(struct table *t, struct err *e);
void table_free(struct table *t); /* NULL is fine */

#endif
