/* SPDX-License-Identifier: MIT */
#include "view/tree.h"

#include "base/clean.h"
#include "view/filter.h"
#include "view/inventory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define NOBODY ((size_t)-1)
/* Nested bridges. Real hosts have up to eight; a snapshot may contain any number. */
#define DEPTH_MAX 32

/* Parents and children, by index into the inventory. */
struct kin {
	size_t parent; /* NOBODY: on a root bus */
	size_t child; /* the first, by address */
	size_t sibling; /* the next */
	size_t node; /* its index in the tree; NOBODY: not added yet */
	bool wanted;
};

static int group_order(const void *a, const void *b)
{
	const struct inventory_entry *x = *(const struct inventory_entry *const *)a;
	const struct inventory_entry *y = *(const struct inventory_entry *const *)b;

	if (x->device.group != y->device.group)
		return x->device.group < y->device.group ? -1 : 1;
	return pci_address_compare(x->device.address, y->device.address);
}

static size_t tree_add(struct tree *t, const struct inventory_entry *x, size_t parent)
{
	if (parent != TREE_TOP && t->list[parent].depth == DEPTH_MAX)
		parent = t->list[parent].parent;
	t->list[t->count] = (struct tree_node){
		.entry = x,
		.parent = parent,
		.depth = parent == TREE_TOP ? 0 : t->list[parent].depth + 1,
	};
	return t->count++;
}

static size_t add_heading(struct tree *t, const char *text)
{
	size_t i = tree_add(t, NULL, TREE_TOP);

	(void)snprintf(t->list[i].heading, sizeof(t->list[i].heading), "%s", text);
	return i;
}

static int by_group(
	const struct inventory *v, const struct filter *f, enum tree_kind kind, struct tree *t)
{
	cleanup_free const struct inventory_entry **order = calloc(v->count + 1, sizeof(*order));
	size_t n = 0, heading = TREE_TOP;
	char text[24];

	if (!order)
		return -ENOMEM;
	for (size_t i = 0; i < v->count; i++)
		if (filter_matches(f, &v->list[i].device))
			order[n++] = &v->list[i];
	qsort(order, n, sizeof(struct inventory_entry *), group_order);
	bool grouped = kind == TREE_GROUPS && n && order[n - 1]->device.group != PCI_GROUP_NONE;
	for (size_t i = 0; i < n; i++) {
		int group = order[i]->device.group;

		(void)snprintf(text, sizeof(text), "group %d", group);
		if (grouped && (i == 0 || group != order[i - 1]->device.group))
			heading = add_heading(t, group == PCI_GROUP_NONE ? "no group" : text);
		(void)tree_add(t, order[i], heading);
	}
	t->devices = n;
	return 0;
}

static size_t index_of(const struct inventory *v, struct pci_address a)
{
	const struct inventory_entry *x = inventory_find(v, a);

	return x ? (size_t)(x - v->list) : NOBODY;
}

/* Backwards, so that each list of children is sorted by address. */
static void find_kin(
	const struct inventory *v, const struct filter *f, struct kin *kin, struct tree *t)
{
	for (size_t i = 0; i < v->count; i++)
		kin[i] = (struct kin){NOBODY, NOBODY, NOBODY, NOBODY, false};
	for (size_t i = v->count; i-- > 0;) {
		const struct pci_device *d = &v->list[i].device;
		size_t p = d->has_parent ? index_of(v, d->parent) : NOBODY;

		if (p != NOBODY && p != i) {
			kin[i].parent = p;
			kin[i].sibling = kin[p].child;
			kin[p].child = i;
		}
		kin[i].wanted = filter_matches(f, d);
		t->devices += kin[i].wanted;
	}
	/* The bridges above a match are shown as well. Stop at one that is marked already. */
	for (size_t i = 0; i < v->count; i++)
		for (size_t k = kin[i].wanted ? kin[i].parent : NOBODY;
			k != NOBODY && !kin[k].wanted; k = kin[k].parent)
			kin[k].wanted = true;
}

/* @i and all below it, depth first. */
static void add_below(
	const struct inventory *v, struct kin *kin, size_t i, size_t heading, struct tree *t)
{
	size_t top = i;

	while (i != NOBODY) {
		bool fresh = kin[i].wanted && kin[i].node == NOBODY;

		if (fresh)
			kin[i].node = tree_add(
				t, &v->list[i], i == top ? heading : kin[kin[i].parent].node);
		if (fresh && kin[i].child != NOBODY) {
			i = kin[i].child;
			continue;
		}
		while (i != top && kin[i].sibling == NOBODY)
			i = kin[i].parent;
		i = i == top ? NOBODY : kin[i].sibling;
	}
}

static int by_bridge(const struct inventory *v, const struct filter *f, struct tree *t)
{
	cleanup_free struct kin *kin = calloc(v->count + 1, sizeof(*kin));
	char text[24], last[24] = "";
	size_t heading = TREE_TOP;

	if (!kin)
		return -ENOMEM;
	find_kin(v, f, kin, t);
	for (size_t i = 0; i < v->count; i++) {
		struct pci_address a = v->list[i].device.address;

		if (!kin[i].wanted || kin[i].parent != NOBODY)
			continue;
		(void)snprintf(text, sizeof(text), "bus %04x:%02x", a.domain, a.bus);
		if (strcmp(text, last) != 0)
			heading = add_heading(t, text);
		memcpy(last, text, sizeof(last));
		add_below(v, kin, i, heading, t);
	}
	/* What is left is in a circle of bridges. */
	for (size_t i = 0; i < v->count; i++)
		if (kin[i].wanted && kin[i].node == NOBODY)
			kin[i].node = tree_add(t, &v->list[i], TREE_TOP);
	return 0; /* NOLINT(clang-analyzer-unix.Malloc): cleanup_free */
}

int tree_make(
	const struct inventory *v, const struct filter *f, enum tree_kind kind, struct tree *ret)
{
	/* At most one heading for each device. */
	*ret = (struct tree){.list = calloc(2 * v->count + 1, sizeof(*ret->list))};
	if (!ret->list)
		return -ENOMEM;
	return kind == TREE_BRIDGES ? by_bridge(v, f, ret) : by_group(v, f, kind, ret);
}

void tree_fini(struct tree *t)
{
	free(t->list);
	*t = (struct tree){0};
}
