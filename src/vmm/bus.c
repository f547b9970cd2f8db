/* SPDX-License-Identifier: MIT */
#include "vmm/bus.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/num.h"

#include <errno.h>
#include <inttypes.h>

/* Index of the first range that starts above @addr. */
static size_t above(const struct bus *b, uint64_t addr)
{
	size_t lo = 0, hi = b->count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (b->ranges[mid]->base > addr)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

int bus_check(const struct bus *b, const struct bus_range *r, struct err *e)
{
	size_t at = above(b, r->base);
	const struct bus_range *prev = at ? b->ranges[at - 1] : NULL;
	const struct bus_range *next = at < b->count ? b->ranges[at] : NULL;

	if (!r->size || r->size - 1 > UINT64_MAX - r->base)
		return err_say(e, -EINVAL, "%s: add '%s': range of no size or past the end",
			b->name, r->name);
	if (prev && r->base - prev->base < prev->size)
		return err_say(e, -EEXIST, "%s: add '%s' at 0x%" PRIx64 ": overlaps '%s'", b->name,
			r->name, r->base, prev->name);
	if (next && next->base - r->base < r->size)
		return err_say(e, -EEXIST, "%s: add '%s' at 0x%" PRIx64 ": overlaps '%s'", b->name,
			r->name, r->base, next->name);
	return 0;
}

int bus_add(struct bus *b, struct bus_range *r, struct err *e)
{
	int code = bus_check(b, r, e);

	if (code < 0)
		return code;
	if (b->count == BUS_RANGES_MAX)
		return err_say(e, -ENOSPC, "%s: add '%s': all %d ranges are in use", b->name,
			r->name, BUS_RANGES_MAX);
	size_t at = above(b, r->base);
	for (size_t i = b->count++; i > at; i--)
		b->ranges[i] = b->ranges[i - 1];
	b->ranges[at] = r;
	return 0;
}

void bus_remove(struct bus *b, struct bus_range *r)
{
	size_t at = above(b, r->base);

	if (!at || b->ranges[at - 1] != r)
		return;
	b->count--;
	for (size_t i = at - 1; i < b->count; i++)
		b->ranges[i] = b->ranges[i + 1];
	if (b->last == r)
		b->last = NULL;
}

/* The range that holds all of the access, or NULL: a straddled end gets no answer. */
static struct bus_range *find(struct bus *b, uint64_t addr, unsigned size)
{
	struct bus_range *r = b->last;

	if (!r || addr < r->base || addr - r->base >= r->size) {
		size_t at = above(b, addr);
		if (!at)
			return NULL;
		r = b->ranges[at - 1];
	}
	if (addr < r->base || !range_ok(addr - r->base, size, r->size))
		return NULL;
	b->last = r;
	return r;
}

/*
 * KVM splits what crosses a page into pieces of up to 8 bytes, of any length: lengths that no bus
 * has get no answer.
 */
static struct bus_range *whose(struct bus *b, uint64_t addr, unsigned size)
{
	if (!is_pow2(size) || size > 8)
		return NULL;
	struct bus_range *r = find(b, addr, size);
	return r || !b->late ? r : b->late(b, addr, size);
}

uint64_t bus_read(struct bus *b, uint64_t addr, unsigned size)
{
	struct bus_range *r = whose(b, addr, size);

	if (!r) {
		b->missed++;
		return all_ones(size);
	}
	r->reads++;
	return r->read ? r->read(r, addr - r->base, size) & all_ones(size) : all_ones(size);
}

void bus_write(struct bus *b, uint64_t addr, unsigned size, uint64_t value)
{
	struct bus_range *r = whose(b, addr, size);

	if (!r) {
		b->missed++;
		return;
	}
	r->writes++;
	if (r->write)
		r->write(r, addr - r->base, size, value & all_ones(size));
}
