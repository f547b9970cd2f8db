/* SPDX-License-Identifier: MIT */
#include "lib/place.h"

#include "base/num.h"

#include <errno.h>

/* Ranges here are [first, last], because a range may end at the last address. */

/*
 * How much guard a mapping at [@first, @last] can have: a mapping that follows closely leaves less.
 * *@ret: that mapping. Return: the guard [bytes], -EEXIST a mapping overlaps.
 */
static int64_t find_room(struct usher_space *s, uint64_t first, uint64_t last, struct mapping **ret)
{
	uint64_t guard = min_u64(min_u64(s->guard, UINT64_MAX - last), INT64_MAX);

	*ret = NULL;
	for (size_t i = 0; i < s->maps.room; i++) {
		struct mapping *m = &s->maps.slots[i];
		if (!m->size || m->iova + (m->size - 1) < first)
			continue;
		if (m->iova <= last)
			return -EEXIST;
		if (m->iova - last > guard)
			continue;
		guard = m->iova - last - 1;
		*ret = m;
	}
	return (int64_t)guard;
}

/* Shortens the guard of an earlier mapping that reaches @first. Return: 1 there was one, 0. */
static int cut_guard(struct usher_space *s, uint64_t first)
{
	for (size_t i = 0; i < s->maps.room; i++) {
		struct mapping *m = &s->maps.slots[i];
		if (!m->size || !m->guard || m->iova >= first)
			continue;
		uint64_t end = m->iova + m->size, over = end + (m->guard - 1);
		if (over < first)
			continue;
		m->guard = first - end;
		(void)iova_pool_give(&s->pool, first, over - first + 1);
		return 1;
	}
	return 0;
}

/* Puts a piece into the quarantine in place of the oldest entry. */
static void piece_rest(struct usher_space *s, struct freed piece)
{
	struct freed *oldest = &s->freed[s->freed_next];

	if (oldest->size)
		(void)iova_pool_give(&s->pool, oldest->iova, oldest->size);
	*oldest = piece;
	s->freed_next = s->freed_next + 1 == s->freed_room ? 0 : s->freed_next + 1;
}

/* Takes [@first, @last] out of the quarantine. The rest of each entry stays in it. */
static void cut_freed(struct usher_space *s, uint64_t first, uint64_t last)
{
	struct freed behind = {.size = 0};

	for (size_t i = 0; i < s->freed_room; i++) {
		struct freed *f = &s->freed[i];
		uint64_t end = f->iova + (f->size - 1);
		if (!f->size || f->iova > last || end < first)
			continue;
		uint64_t from = max_u64(f->iova, first), to = min_u64(end, last);
		(void)iova_pool_give(&s->pool, from, to - from + 1);
		const struct freed rest_of_it = {to + 1, end - to};
		if (f->iova == from) {
			*f = rest_of_it;
			continue;
		}
		f->size = from - f->iova;
		if (rest_of_it.size)
			behind = rest_of_it;
	}
	if (behind.size)
		piece_rest(s, behind);
}

int space_place(struct usher_space *s, struct mapping *m)
{
	const uint64_t last = m->iova + (m->size - 1);
	struct mapping *behind;
	int64_t guard = find_room(s, m->iova, last, &behind);

	if (guard < 0 || m->iova < KIB(4))
		return -EEXIST;
	m->crowds = cut_guard(s, m->iova);
	cut_freed(s, m->iova, last + (uint64_t)guard);
	/* The IOMMU's range, or the devices' mask, may end inside the guard. */
	m->guard = min_u64((uint64_t)guard, iova_pool_run(&s->pool, last + 1));
	if (behind)
		behind->crowds = 1;
	return iova_pool_take_at(&s->pool, m->iova, m->size + m->guard);
}

void space_spread(struct usher_space *s, struct mapping *m)
{
	m->size += m->guard;
	m->guard = 0;
	for (size_t i = 0; i < s->maps.room; i++) {
		struct mapping *o = &s->maps.slots[i];
		if (!o->size || o->guard >= s->guard || o->iova + o->size + o->guard != m->iova)
			continue;
		uint64_t more = min_u64(s->guard - o->guard, m->size);
		o->guard += more;
		m->iova += more;
		m->size -= more;
		return;
	}
}
