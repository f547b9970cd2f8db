/* SPDX-License-Identifier: MIT */
#include "vfio/layout.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/num.h"

#include <errno.h>
#include <inttypes.h>

/* A kernel and its tables need the first megabytes in one piece. */
#define FIRST_MIN MIB(64)
/* So that huge pages fill a piece; a hole of a few KiB costs no more than one of them. */
#define PIECE_ALIGN MIB(2)
/* AMD reserves addresses from here for HyperTransport: neither a BAR nor RAM may lie above. */
#define HYPERTRANSPORT UINT64_C(0xfd00000000)

struct filling {
	struct layout *layout;
	uint64_t left; /* RAM that is not placed yet [bytes] */
};

/* Places as much of the RAM that is left in [@base, @end). Return: 0, -ENOSPC too many pieces. */
static int fill_range(struct filling *f, uint64_t base, uint64_t end)
{
	struct layout *l = f->layout;

	base = align_up(base, PIECE_ALIGN);
	end = align_down(end, PIECE_ALIGN);
	if (!f->left || base >= end)
		return 0;
	uint64_t size = min_u64(f->left, end - base);
	struct layout_range *last = l->count ? &l->ram[l->count - 1] : NULL;
	f->left -= size;
	if (last && last->base + last->size == base) {
		last->size += size;
		return 0;
	}
	if (l->count == LAYOUT_RANGES_MAX)
		return -ENOSPC;
	l->ram[l->count++] = (struct layout_range){.base = base, .size = size};
	return 0;
}

/* The same in the usable parts of [@base, @end). */
static int fill_usable(struct filling *f, uint64_t base, uint64_t end,
	const struct vfio_span *usable, size_t count)
{
	int r = 0;

	if (!count)
		return fill_range(f, base, end);
	for (size_t i = 0; i < count && r == 0; i++) {
		if (usable[i].first.v >= end || usable[i].last.v < base)
			continue;
		r = fill_range(f, max_u64(base, usable[i].first.v),
			usable[i].last.v < end ? usable[i].last.v + 1 : end);
	}
	return r;
}

/* The address width that devices can use in full. */
static unsigned iommu_bits(const struct vfio_span *usable, size_t count)
{
	uint64_t last = count ? usable[count - 1].last.v : UINT64_MAX;
	unsigned bits = 0;

	while (bits < 64 && last >> bits)
		bits++;
	/* A width counts only if its last address is usable. */
	return bits < 64 && last != BIT64(bits) - 1 ? bits - 1 : bits;
}

static struct layout_range window_above_ram(const struct layout *l)
{
	const struct layout_range *last = &l->ram[l->count - 1];
	/* Begins at a boundary that fits most BARs and ends at the last address. */
	uint64_t base = align_up(max_u64(LAYOUT_HIGH_BASE, last->base + last->size), GIB(16));
	uint64_t end = BIT64(l->bits);

	if (base < HYPERTRANSPORT)
		end = min_u64(end, HYPERTRANSPORT);
	return (struct layout_range){.base = base, .size = end > base ? end - base : 0};
}

int layout_make(uint64_t size, unsigned phys_bits, const struct vfio_span *usable, size_t count,
	struct layout *ret, struct err *e)
{
	struct layout l = {.bits = (unsigned)min_u64(phys_bits, iommu_bits(usable, count))};
	struct filling f = {.layout = &l, .left = size};

	l.bits = (unsigned)min_u64(l.bits, 52); /* the widest physical address of x86 */
	/* Pieces are aligned, so only the last one may have another size. */
	int r = fill_usable(&f, 0, LAYOUT_LOW_MAX, usable, count);
	/* BARs need room above RAM. */
	if (r == 0 && l.bits > 32)
		r = fill_usable(&f, LAYOUT_HIGH_BASE,
			min_u64(BIT64(l.bits) / 2 + LAYOUT_HIGH_BASE, HYPERTRANSPORT), usable,
			count);
	if (!l.count || l.ram[0].base || l.ram[0].size < min_u64(size, FIRST_MIN)) {
		err_say(e, -EADDRINUSE,
			"lay out the guest's memory: the IOMMU reserves addresses below %u MiB, "
			"which a kernel needs to boot",
			(unsigned)(FIRST_MIN >> 20));
		err_hint(e, "see /sys/kernel/iommu_groups/*/reserved_regions");
		return -EADDRINUSE;
	}
	if (r < 0 || f.left)
		return err_say(e, -ENOSPC,
			"lay out the guest's memory: %" PRIu64
			" MiB do not fit into addresses of %u bits",
			size >> 20, l.bits);
	l.mem64 = window_above_ram(&l);
	*ret = l;
	return 0;
}
