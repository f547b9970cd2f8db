/* SPDX-License-Identifier: MIT */
#ifndef LIB_MAPPING_H
#define LIB_MAPPING_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The mappings of a space.
 *
 * How it works. An open-addressing hash table by IOVA, because a driver may map and unmap for each
 * I/O. Invariant: from the home of a key to its slot every slot is used, so a search ends at the
 * first empty one. So a removal moves later entries up instead of leaving a mark. The table is at
 * most half full. All of this is inline: it is on the hot path.
 */
struct mapping {
	uint64_t iova;
	uint64_t size; /* [bytes]; 0: the slot is empty */
	uint64_t guard; /* unmapped IOVAs after the mapping that belong to it [bytes] */
	void *host; /* NULL: reserved without memory */
	unsigned access;
	int crowds; /* 1: it lies in what would be the guard of the mapping before it */
};

struct mapping_table {
	struct mapping *slots; /* entries have size > 0 */
	size_t room; /* a power of two, or 0 */
	size_t count;
};

int mapping_grow(struct mapping_table *t); /* doubles the room. Return: 0, -ENOMEM */
void mapping_fini(struct mapping_table *t);

/* Where a search for @iova begins: Fibonacci hashing of the page number spreads neighbours. */
static inline size_t mapping_home(const struct mapping_table *t, uint64_t iova)
{
	return (size_t)(((iova >> 12) * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (t->room - 1);
}

/* The table must have room. */
static inline void mapping_put(struct mapping_table *t, const struct mapping *m)
{
	size_t i = mapping_home(t, m->iova);

	while (t->slots[i].size)
		i = (i + 1) & (t->room - 1);
	t->slots[i] = *m;
}

static inline int mapping_add(
	struct mapping_table *t, const struct mapping *m) /* Return: 0, -ENOMEM */
{
	if (2 * (t->count + 1) > t->room && mapping_grow(t) < 0)
		return -ENOMEM;
	mapping_put(t, m);
	t->count++;
	return 0;
}

static inline struct mapping *mapping_find(const struct mapping_table *t, uint64_t iova)
{
	if (!t->room)
		return NULL;
	for (size_t i = mapping_home(t, iova); t->slots[i].size; i = (i + 1) & (t->room - 1))
		if (t->slots[i].iova == iova)
			return &t->slots[i];
	return NULL;
}

/* Entries after the hole move up, but none before its home. */
static inline void mapping_remove(struct mapping_table *t, struct mapping *m)
{
	size_t hole = (size_t)(m - t->slots), mask = t->room - 1;

	for (size_t i = (hole + 1) & mask; t->slots[i].size; i = (i + 1) & mask) {
		size_t at_home = mapping_home(t, t->slots[i].iova);
		if (((i - at_home) & mask) < ((i - hole) & mask))
			continue;
		t->slots[hole] = t->slots[i];
		hole = i;
	}
	t->slots[hole].size = 0;
	t->count--;
}

#endif
