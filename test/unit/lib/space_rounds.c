/* SPDX-License-Identifier: MIT */
#include "base/num.h"
#include "space_rounds.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#define ROUNDS 10000
#define SLOTS 300
#define GUARD KIB(4)
/* A range that a mapping cuts in two takes two of the quarantine's 64 places. */
#define RESTING 32
#define ENTRIES_MAX 65535

struct span {
	uint64_t iova, size; /* size 0: empty */
};

static struct span slots[SLOTS], resting[RESTING];
static size_t next_resting;

static bool is_apart(const struct span *list, size_t count, uint64_t iova, uint64_t size)
{
	for (size_t i = 0; i < count; i++)
		if (list[i].size && iova < list[i].iova + list[i].size &&
			list[i].iova < iova + size)
			return false;
	return true;
}

static const char *take_away(struct usher_space *s, struct span *m)
{
	const usher_iova_t iova = {m->iova};

	if (usher_space_unmap(s, iova, m->size + KIB(4), NULL) != -EINVAL)
		return "more was unmapped than a mapping";
	if (usher_space_unmap(s, iova, m->size, NULL))
		return "a mapping cannot be unmapped";
	if (usher_space_unmap(s, iova, m->size, NULL) != -ENOENT)
		return "a mapping was unmapped twice";
	resting[next_resting++ % RESTING] = *m;
	m->size = 0;
	return NULL;
}

static const char *map_somewhere(struct usher_space *s, void *memory, struct span *m, uint64_t size)
{
	usher_iova_t iova;

	if (usher_space_map(s, memory, size, USHER_DMA_BOTH, &iova, NULL))
		return "there is no room";
	if (!is_apart(slots, SLOTS, iova.v - GUARD, size + 2 * GUARD))
		return "a mapping without a guard to its neighbour";
	if (!is_apart(resting, RESTING, iova.v, size))
		return "an IOVA that was freed a moment ago";
	*m = (struct span){iova.v, size};
	return NULL;
}

static const char *map_there(
	struct usher_space *s, void *memory, struct span *m, usher_iova_t iova, uint64_t size)
{
	int r = usher_space_map_at(s, iova, memory, size, USHER_DMA_BOTH, NULL);

	if (r != (is_apart(slots, SLOTS, iova.v, size) ? 0 : -EEXIST))
		return "a place of the caller's: free and refused, or taken and given";
	if (!r)
		*m = (struct span){iova.v, size};
	return NULL;
}

static const char *change(struct usher_space *s, void *memory)
{
	struct span *m = &slots[rand() % SLOTS];
	const struct span *other = &slots[rand() % SLOTS];
	uint64_t size = KIB(4) * (uint64_t)(1 + rand() % 64);

	if (m->size)
		return take_away(s, m);
	switch (rand() % 8) {
	case 0: /* anywhere */
		return map_there(s, memory, m,
			(usher_iova_t){KIB(4) * (uint64_t)(1 + rand() % 0x8000)}, size);
	case 1: /* right behind another, in its guard */
		return other->size ? map_there(s, memory, m,
					     (usher_iova_t){other->iova + other->size}, size)
				   : NULL;
	case 2: /* right in front of another */
		return other->size && other->iova > size
			       ? map_there(s, memory, m, (usher_iova_t){other->iova - size}, size)
			       : NULL;
	default:
		return map_somewhere(s, memory, m, size);
	}
}

static const char *compare(struct usher_space *s, int (*reaches)(usher_iova_t last))
{
	struct usher_space_info info;
	uint64_t mapped = 0;
	uint32_t count = 0;

	for (size_t i = 0; i < SLOTS; i++) {
		if (!slots[i].size)
			continue;
		if (reaches && !reaches((usher_iova_t){slots[i].iova + slots[i].size - 1}))
			return "a mapping that devices do not reach";
		mapped += slots[i].size;
		count++;
	}
	if (usher_space_query(s, &info, NULL))
		return "the space does not tell";
	return info.mappings == count && info.mapped == mapped &&
			       info.mappings_left == ENTRIES_MAX - count
		       ? NULL
		       : "the space, the IOMMU and the list do not agree";
}

const char *space_rounds(struct usher_space *s, void *memory, int (*reaches)(usher_iova_t last))
{
	const char *wrong = NULL;

	srand(1);
	for (unsigned i = 0; i < ROUNDS && !wrong; i++)
		wrong = change(s, memory);
	if (!wrong)
		wrong = compare(s, reaches);
	for (size_t i = 0; i < SLOTS && !wrong; i++)
		if (slots[i].size)
			wrong = take_away(s, &slots[i]);
	return wrong ? wrong : compare(s, reaches);
}
