/* SPDX-License-Identifier: MIT */
#include "lib/iova.h"

#include "base/num.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int extent_make_room(struct iova_pool *p)
{
	if (p->count < p->room)
		return 0;
	size_t room = p->room ? 2 * p->room : 16;
	struct iova_extent *free_ = reallocarray(p->free, room, sizeof(*free_));
	if (!free_)
		return -ENOMEM;
	p->free = free_;
	p->room = room;
	return 0;
}

static void extent_insert(struct iova_pool *p, size_t at, struct iova_extent x)
{
	memmove(&p->free[at + 1], &p->free[at], (p->count - at) * sizeof(x));
	p->free[at] = x;
	p->count++;
}

static void extent_drop(struct iova_pool *p, size_t at)
{
	p->count--;
	memmove(&p->free[at], &p->free[at + 1], (p->count - at) * sizeof(p->free[0]));
}

/* The first extent that ends at or after @iova. */
static size_t extent_find(const struct iova_pool *p, uint64_t iova)
{
	size_t low = 0, high = p->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (p->free[mid].last < iova)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

int iova_pool_reset(
	struct iova_pool *p, const struct vfio_span *ranges, size_t count, uint64_t mask)
{
	p->count = 0;
	for (size_t i = 0; i < count; i++) {
		struct iova_extent x = {
			max_u64(ranges[i].first.v, KIB(4)), min_u64(ranges[i].last.v, mask)};
		if (x.first > x.last)
			continue;
		int r = extent_make_room(p);
		if (r < 0)
			return r;
		p->free[p->count++] = x;
	}
	return 0;
}

void iova_pool_fini(struct iova_pool *p)
{
	free(p->free);
	*p = (struct iova_pool){.free = NULL};
}

/* Removes [@first, @last], which lies in extent @at. */
static int extent_cut(struct iova_pool *p, size_t at, uint64_t first, uint64_t last)
{
	struct iova_extent *x = &p->free[at];

	if (x->first == first && x->last == last) {
		extent_drop(p, at);
	} else if (x->first == first) {
		x->first = last + 1;
	} else if (x->last == last) {
		x->last = first - 1;
	} else {
		struct iova_extent behind = {last + 1, x->last};
		int r = extent_make_room(p);
		if (r < 0)
			return r;
		p->free[at].last = first - 1;
		extent_insert(p, at + 1, behind);
	}
	return 0;
}

int iova_pool_take(struct iova_pool *p, uint64_t size, uint64_t align, uint64_t *ret)
{
	for (size_t i = 0; i < p->count; i++) {
		const struct iova_extent *x = &p->free[i];
		uint64_t first = align_up(x->first, align);
		if (first < x->first || first > x->last || x->last - first < size - 1)
			continue;
		int r = extent_cut(p, i, first, first + (size - 1));
		if (r < 0)
			return r;
		*ret = first;
		return 0;
	}
	return -ENOSPC;
}

int iova_pool_take_at(struct iova_pool *p, uint64_t first, uint64_t size)
{
	uint64_t last = first + (size - 1);
	size_t at = extent_find(p, first);

	if (last < first || at == p->count || p->free[at].first > first || p->free[at].last < last)
		return -EEXIST;
	return extent_cut(p, at, first, last);
}

uint64_t iova_pool_run(const struct iova_pool *p, uint64_t first)
{
	size_t at = extent_find(p, first);

	return at < p->count && p->free[at].first <= first ? p->free[at].last - first + 1 : 0;
}

int iova_pool_carve(struct iova_pool *p, uint64_t first, uint64_t size)
{
	uint64_t last = first + (size - 1);
	size_t at = extent_find(p, first);

	while (at < p->count && p->free[at].first <= last) {
		uint64_t end = p->free[at].last;
		int r = extent_cut(p, at, max_u64(first, p->free[at].first), min_u64(last, end));
		if (r < 0)
			return r;
		if (end >= last)
			break;
		at = extent_find(p, first);
	}
	return 0;
}

int iova_pool_give(struct iova_pool *p, uint64_t first, uint64_t size)
{
	uint64_t last = first + (size - 1);
	size_t at = extent_find(p, first);
	const bool joins_left = at > 0 && p->free[at - 1].last + 1 == first;
	const bool joins_right = at < p->count && last + 1 == p->free[at].first;

	if (joins_left && joins_right) {
		p->free[at - 1].last = p->free[at].last;
		extent_drop(p, at);
	} else if (joins_left) {
		p->free[at - 1].last = last;
	} else if (joins_right) {
		p->free[at].first = first;
	} else {
		int r = extent_make_room(p);
		if (r < 0)
			return r;
		extent_insert(p, at, (struct iova_extent){first, last});
	}
	return 0;
}
