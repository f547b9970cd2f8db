/* SPDX-License-Identifier: MIT */
#ifndef VIEW_TREE_H
#define VIEW_TREE_H

#include <stddef.h>

struct filter;
struct inventory;
struct inventory_entry;

#define TREE_TOP ((size_t)-1)

enum tree_kind {
	TREE_FLAT, /* by group, then address; no headings */
	TREE_GROUPS, /* a heading for each IOMMU group */
	TREE_BRIDGES, /* ports, switches and bridges above what is behind them */
};

struct tree_node {
	const struct inventory_entry *entry; /* NULL: a heading */
	char heading[24]; /* "group 12", "bus 0000:00" */
	size_t parent; /* index of a node before this one, TREE_TOP */
	unsigned depth;
};

/* Devices in the order in which they are shown, each after what it hangs below. */
struct tree {
	size_t count;
	size_t devices; /* that match; what is shown for its children only does not count */
	struct tree_node *list;
};

/*
 * The devices that match. With TREE_BRIDGES, bridges above one that matches come along.
 * A snapshot may claim that two bridges are above each other: every device is shown once.
 * tree_fini() either way. Return: 0, -ENOMEM.
 */
int tree_make(
	const struct inventory *v, const struct filter *f, enum tree_kind kind, struct tree *ret);
void tree_fini(struct tree *t);

#endif
