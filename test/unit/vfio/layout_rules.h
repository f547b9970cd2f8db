/* SPDX-License-Identifier: MIT */
#ifndef TEST_UNIT_VFIO_LAYOUT_RULES_H
#define TEST_UNIT_VFIO_LAYOUT_RULES_H

/* What holds of every layout that layout_make() returns, for the unit test and the fuzzer. */
#include "base/bits.h"
#include "base/num.h"
#include "vfio/layout.h"

#include <check.h>

/* Whether the IOMMU translates all of [@base, @end). Spans that adjoin count as one. */
static inline bool layout_is_usable(
	const struct vfio_span *usable, size_t count, uint64_t base, uint64_t end)
{
	for (size_t i = 0; i < count && base < end; i++)
		if (usable[i].first.v <= base && usable[i].last.v >= base)
			base = usable[i].last.v == UINT64_MAX ? UINT64_MAX : usable[i].last.v + 1;
	return !count || base >= end;
}

/* Whether AMD's processors reserve a part of [@base, @end): 12 GiB below a power of two. */
static inline bool layout_meets_hypertransport(uint64_t base, uint64_t end)
{
	for (unsigned bits = 40; bits <= 52; bits++)
		if (base < BIT64(bits) && end > BIT64(bits) - GIB(12))
			return true;
	return false;
}

static inline void layout_check_range(const struct layout *l, const struct layout_cpu *cpu,
	const struct vfio_span *usable, size_t count, const struct layout_range *r)
{
	uint64_t end = r->base + r->size;

	ck_assert(end > r->base);
	ck_assert(end <= BIT64(l->bits));
	ck_assert(end <= BIT64(max_u64(cpu->phys_bits, 32)));
	ck_assert(end <= LAYOUT_LOW_MAX || r->base >= LAYOUT_HIGH_BASE);
	ck_assert(layout_is_usable(usable, count, r->base, end));
	ck_assert(!cpu->amd || !layout_meets_hypertransport(r->base, end));
}

static inline void layout_check(const struct layout *l, uint64_t size, const struct layout_cpu *cpu,
	const struct vfio_span *usable, size_t count)
{
	uint64_t sum = 0, last = 0;

	ck_assert(l->count >= 1 && l->count <= LAYOUT_RANGES_MAX);
	ck_assert(l->ram[0].base == 0);
	ck_assert(l->bits >= 32 && l->bits <= 52);
	for (size_t i = 0; i < l->count; i++) {
		layout_check_range(l, cpu, usable, count, &l->ram[i]);
		ck_assert(!i || l->ram[i].base > last);
		last = l->ram[i].base + l->ram[i].size;
		sum += l->ram[i].size;
	}
	ck_assert(sum == size);
	if (!l->mem64.size)
		return;
	layout_check_range(l, cpu, usable, count, &l->mem64);
	ck_assert(l->mem64.base >= max_u64(last, LAYOUT_HIGH_BASE));
}

#endif
