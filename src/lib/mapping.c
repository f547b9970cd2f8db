/* SPDX-License-Identifier: MIT */
#include "lib/mapping.h"

#include <errno.h>
#include <stdlib.h>

static size_t home(const struct mapping_table *t, uint64_t iova)
{
	/* Fibonacci hashing of the page number: neighbours end up apart. */
	return (size_t)(((iova >> 12) * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (t->room - 1);
}

static void put(struct mapping_table *t, const struct mapping *m)
{
	size_t i = home(t, m->iova);

	while (t->slots[i].size)
		i = (i + 1) & (t->room - 1);
	t->slots[i] = *m;
}

static int grow(struct mapping_table *t)
{
	struct mapping_table new = {.room = t->room ? 2 * t->room : 64, .count = t->count};

	new.slots = calloc(new.room, sizeof(*new.slots));
	if (!new.slots)
		return -ENOMEM;
	for (size_t i = 0; i < t->room; i++)
		if (t->slots[i].size)
			put(&new, &t->slots[i]);
	free(t->slots);
	*t = new;
	return 0;
}

int mapping_add(struct mapping_table *t, const struct mapping *m)
{
	if (2 * (t->count + 1) > t->room) {
		int r = grow(t);
		if (r < 0)
			return r;
	}
	put(t, m);
	t->count++;
	return 0;
}

struct mapping *mapping_find(const struct mapping_table *t, uint64_t iova)
{
	if (!t->room)
		return NULL;
	for (size_t i = home(t, iova); t->slots[i].size; i = (i + 1) & (t->room - 1))
		if (t->slots[i].iova == iova)
			return &t->slots[i];
	return NULL;
}

/* Those that stand behind the hole move up, as far as their home allows. */
void mapping_remove(struct mapping_table *t, struct mapping *m)
{
	size_t hole = (size_t)(m - t->slots), mask = t->room - 1;

	for (size_t i = (hole + 1) & mask; t->slots[i].size; i = (i + 1) & mask) {
		size_t at_home = home(t, t->slots[i].iova);
		if (((i - at_home) & mask) < ((i - hole) & mask))
			continue;
		t->slots[hole] = t->slots[i];
		hole = i;
	}
	t->slots[hole].size = 0;
	t->count--;
}

void mapping_fini(struct mapping_table *t)
{
	free(t->slots);
	*t = (struct mapping_table){.slots = NULL};
}
