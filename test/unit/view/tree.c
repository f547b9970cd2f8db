/* SPDX-License-Identifier: MIT */
#include "view/tree.h"

#include "suite.h"
#include "view/filter.h"
#include "view/inventory.h"

#include <stdlib.h>

#define ALONE 0xff

/* A host of functions 00:00.0, 00:01.0, …; above[i]: the bridge above function i, or ALONE. */
static struct inventory host(const uint8_t *above, size_t count)
{
	struct inventory v = {.count = count, .list = calloc(count, sizeof(*v.list))};

	ck_assert_ptr_nonnull(v.list);
	for (size_t i = 0; i < count; i++) {
		struct pci_device *d = &v.list[i].device;

		d->address.dev = (uint8_t)i;
		d->group = (int)(i / 2);
		d->has_parent = above[i] != ALONE;
		d->parent.dev = above[i];
	}
	return v;
}

START_TEST(puts_children_below)
{
	static const uint8_t above[] = {ALONE, 0, ALONE, 1, 0};
	static const uint8_t order[] = {0, 1, 3, 4, 2};
	static const unsigned depth[] = {1, 2, 3, 2, 1};
	struct inventory v = host(above, 5);
	struct filter f = FILTER_NONE;
	struct tree t;

	ck_assert_int_eq(tree_make(&v, &f, TREE_BRIDGES, &t), 0);
	ck_assert_uint_eq(t.count, 6); /* with the bus */
	ck_assert_uint_eq(t.devices, 5);
	for (size_t i = 0; i < 5; i++) {
		ck_assert_uint_eq(t.list[i + 1].entry->device.address.dev, order[i]);
		ck_assert_uint_eq(t.list[i + 1].depth, depth[i]);
	}
	tree_fini(&t);
	free(v.list);
}
END_TEST

START_TEST(brings_the_bridges_above)
{
	static const uint8_t above[] = {ALONE, 0, 1, ALONE};
	struct pci_address only = {.dev = 2};
	struct inventory v = host(above, 4);
	struct filter f = FILTER_NONE;
	struct tree t;

	f.addresses = &only;
	f.address_count = 1;
	ck_assert_int_eq(tree_make(&v, &f, TREE_BRIDGES, &t), 0);
	ck_assert_uint_eq(t.count, 4);
	ck_assert_uint_eq(t.devices, 1);
	tree_fini(&t);
	ck_assert_int_eq(tree_make(&v, &f, TREE_GROUPS, &t), 0);
	ck_assert_uint_eq(t.count, 2);
	ck_assert_str_eq(t.list[0].heading, "group 1");
	tree_fini(&t);
	free(v.list);
}
END_TEST

/* No kernel shows a circle; a snapshot from elsewhere may. */
START_TEST(shows_what_hangs_below_itself_once)
{
	static const uint8_t above[] = {1, 2, 0, 3, 2, ALONE};
	struct inventory v = host(above, 6);
	struct filter f = FILTER_NONE;
	struct tree t;
	unsigned seen = 0;

	ck_assert_int_eq(tree_make(&v, &f, TREE_BRIDGES, &t), 0);
	for (size_t i = 0; i < t.count; i++)
		if (t.list[i].entry)
			seen += 1u << (4 * t.list[i].entry->device.address.dev);
	ck_assert_uint_eq(seen, 0x111111);
	tree_fini(&t);
	free(v.list);
}
END_TEST

SUITE("tree", puts_children_below, brings_the_bridges_above, shows_what_hangs_below_itself_once)
