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
	TREE_BRIDGES, /* ports, switches and bridges above the devices behind them */
};

struct tree_node {
	const struct inventory_entry *entry; /* NULL: a heading */
	char heading[24]; /* "group 12", "bus 0000:00" */
	size_t parent; /* index of a node before this one, TREE_TOP */
	unsigned depth;
};

/* Devices in the order in which they are shown, each after its parent. */
struct tree {
	size_t count;
	size_t devices; /* that match, without bridges shown only for their children */
	struct tree_node *list;
};

/*
 * Selects the devices that match; with TREE_BRIDGES, also the bridges above each match. A snapshot
 * may contain circles of bridges: every device is shown once. The caller calls tree_fini() in any
 * case.
 * Return: 0, -ENOMEM.
 */
int tree_make(
	const struct inventory *v, const struct filter *f, enum tree_kind kind, struct tree *ret);
void tree_fini(struct tree *t);

#endif
