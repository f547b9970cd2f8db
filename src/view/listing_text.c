/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "base/num.h"
#include "view/column.h"
#include "view/listing.h"
#include "view/table.h"
#include "view/wrap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static enum table_colour state_colour(enum inventory_state s)
{
	switch (s) {
	case INVENTORY_FREE:
	case INVENTORY_READY:
		return TABLE_GOOD;
	case INVENTORY_BUSY:
	case INVENTORY_LENT:
	case INVENTORY_GROUP:
	case INVENTORY_DEAD:
		return TABLE_BAD;
	case INVENTORY_BRIDGE:
	case INVENTORY_HOST:
	case INVENTORY_NO_IOMMU:
		return TABLE_DIM;
	case INVENTORY_MAYBE:
		break;
	}
	return TABLE_PLAIN;
}

static bool column_is_empty(const struct column *c, const struct listing *l)
{
	char text[COLUMN_TEXT];

	for (size_t i = 0; i < l->tree.count; i++) {
		if (!l->tree.list[i].entry)
			continue;
		c->fill(l, l->tree.list[i].entry, text, sizeof(text));
		if (strcmp(text, "-") != 0)
			return false;
	}
	return true;
}

/* Not every host has NUMA nodes or virtual functions, and a table is narrow. */
static void drop_empty(struct columns *c, const struct listing *l)
{
	static const char *const optional[] = {"numa", "reset", "sriov"};

	for (size_t i = 0; i < COUNT(optional); i++) {
		const struct column *x = columns_find(c, optional[i]);

		if (x && column_is_empty(x, l))
			columns_drop(c, optional[i]);
	}
}

#define NARROW 120 /* [columns] */
#define TINY 64
#define REASON_MIN 16 /* [columns] */

/* A narrow terminal has no room for these; `usher show` prints them. */
static void drop_wide(struct columns *c)
{
	static const char *const wide[] = {"device", "numa", "reset", "sriov"};
	unsigned width = wrap_width();

	for (size_t i = 0; width && width < NARROW && i < COUNT(wide); i++)
		columns_drop(c, wide[i]);
	if (width && width < TINY) {
		columns_drop(c, "class");
		columns_drop(c, "driver");
	}
}

static unsigned depth_of(const struct tree *t, size_t at)
{
	unsigned depth = 0;

	for (; t->list[at].parent != TREE_TOP; at = t->list[at].parent)
		depth++;
	return depth;
}

static unsigned column_width(
	const struct listing *l, const struct columns *c, size_t column, enum tree_kind kind)
{
	size_t width = strlen(c->list[column]->name);
	char text[COLUMN_TEXT];

	for (size_t i = 0; i < l->tree.count; i++) {
		const struct tree_node *n = &l->tree.list[i];
		size_t indent = column == 0 && kind != TREE_FLAT ? 2 * depth_of(&l->tree, i) : 0;

		if (n->entry)
			c->list[column]->fill(l, n->entry, text, sizeof(text));
		else
			(void)snprintf(text, sizeof(text), "%s", column == 0 ? n->heading : "");
		if (strlen(text) + indent > width)
			width = strlen(text) + indent;
	}
	return (unsigned)width;
}

/* What the other columns leave of the terminal for the reason; 0: it is not broken. */
static unsigned reason_room(const struct listing *l, const struct columns *c, enum tree_kind kind)
{
	unsigned width = wrap_width(), used = 0;

	if (!width || !columns_find(c, "used-by"))
		return 0;
	for (size_t i = 0; i < c->count; i++)
		if (strcmp(c->list[i]->name, "used-by") != 0)
			used += column_width(l, c, i, kind) + 1;
	return width > used + REASON_MIN ? width - used : REASON_MIN;
}

static void set_row(struct table *t, const struct columns *c, const struct listing *l,
	const struct tree_node *n)
{
	char text[COLUMN_TEXT];

	if (!n->entry) {
		table_set(t, 0, n->heading, TABLE_BOLD);
		return;
	}
	for (size_t i = 0; i < c->count; i++) {
		enum table_colour colour = TABLE_PLAIN;

		if (strcmp(c->list[i]->name, "state") == 0)
			colour = state_colour(n->entry->state);
		c->list[i]->fill(l, n->entry, text, sizeof(text));
		table_set(t, i, text, colour);
	}
}

static int fill_table(
	struct table *t, const struct columns *c, const struct listing *l, enum tree_kind kind)
{
	const struct tree *tree = &l->tree;
	void **rows = calloc(tree->count + 1, sizeof(*rows));

	if (!rows)
		return -ENOMEM;
	for (size_t i = 0; i < tree->count; i++) {
		const struct tree_node *n = &tree->list[i];
		bool is_top = kind == TREE_FLAT || n->parent == TREE_TOP;

		rows[i] = table_row(t, is_top ? NULL : rows[n->parent]);
		set_row(t, c, l, n);
	}
	free(rows);
	return 0;
}

static int print_columns(
	const struct listing *l, const struct columns *c, enum tree_kind kind, struct err *e)
{
	struct table_column heads[COLUMNS_MAX] = {0};
	char text[COLUMNS_MAX][24];
	struct table *t = NULL;

	for (size_t i = 0; i < c->count; i++) {
		column_heading(c->list[i], text[i], sizeof(text[i]));
		heads[i] = (struct table_column){text[i], c->list[i]->how & ~TABLE_TREE};
	}
	/* The tree's lines are drawn in the first column, whichever that is. */
	if (kind != TREE_FLAT)
		heads[0].how |= TABLE_TREE;
	int r = table_new(heads, c->count, &t, e);
	if (r < 0)
		return r;
	table_wrap(t, reason_room(l, c, kind));
	r = fill_table(t, c, l, kind);
	r = r < 0 ? err_set(e, r, "list PCI devices") : table_print(t, e);
	table_free(t);
	return r;
}

int listing_table(const struct listing *l, const struct columns *c, enum tree_kind kind,
	bool is_default, struct err *e)
{
	struct columns shown = *c;

	if (is_default) {
		drop_empty(&shown, l);
		drop_wide(&shown);
	}
	return print_columns(l, &shown, kind, e);
}
