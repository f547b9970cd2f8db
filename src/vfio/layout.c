/* SPDX-License-Identifier: MIT */
#include "vfio/layout.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/num.h"

#include <errno.h>
#include <inttypes.h>

/*
 * How it works
 *
 * Invariant: nothing lies where the processor or the IOMMU cannot reach it, and nothing overlaps.
 *
 *	usable	what the IOMMU translates, below the processor's width; less AMD's own ranges
 *	RAM	fills the usable addresses: below 3 GiB, then from 4 GiB upwards
 *	window	the largest gap that is left above 4 GiB: 64-bit BARs
 *
 * AMD reserves 12 GiB for HyperTransport. A guest cannot access them, not even without an IOMMU.
 * Before family 17h they end at 1 TiB. Later they are the last ones of the processor's addresses,
 * whose width memory encryption reduces by an amount that no file of the host tells. So this code
 * leaves the last 12 GiB below each power of two from 1 TiB upwards free: that covers every case.
 * Other processors have no such range.
 *
 * Nothing lies above 46 bits: a guest with four-level page tables has no struct pages there, and
 * KVM has no page tables above 48 bits on hosts with four levels, whatever the processor's width.
 */

/* A kernel and its tables need the first megabytes in one piece. */
#define FIRST_MIN MIB(64)
/* So that huge pages fill a piece; a hole of a few KiB costs no more than one of them. */
#define PIECE_ALIGN MIB(2)
#define WINDOW_ALIGN GIB(16) /* fits most BARs */
#define BITS_MIN 32 /* 32-bit BARs, ECAM and the LAPIC need them */
#define BITS_MAX 52 /* the widest physical address of x86 */
#define PLACE_BITS 46
#define AMD_BITS 40
#define AMD_RESERVED GIB(12)

struct filling {
	const struct layout_cpu *cpu;
	const struct vfio_span *usable;
	size_t count;
	struct layout *layout;
	uint64_t left; /* RAM that is not placed yet [bytes] */
	int error; /* -ENOSPC: too many pieces */
};

/* Places as much of the RAM that is left in [@base, @end). */
static void fill_range(struct filling *f, uint64_t base, uint64_t end)
{
	struct layout *l = f->layout;

	base = align_up(base, PIECE_ALIGN);
	end = align_down(end, PIECE_ALIGN);
	if (!f->left || base >= end)
		return;
	uint64_t size = min_u64(f->left, end - base);
	struct layout_range *last = l->count ? &l->ram[l->count - 1] : NULL;
	if (last && last->base + last->size == base) {
		last->size += size;
	} else if (l->count == LAYOUT_RANGES_MAX) {
		f->error = -ENOSPC;
		return;
	} else {
		l->ram[l->count++] = (struct layout_range){.base = base, .size = size};
	}
	f->left -= size;
}

/* Keeps the largest gap, the lowest of several. RAM is placed: it fills from below. */
static void widen_window(struct filling *f, uint64_t base, uint64_t end)
{
	struct layout *l = f->layout;
	const struct layout_range *last = &l->ram[l->count - 1];

	base = align_up(max_u64(base, last->base + last->size), PIECE_ALIGN);
	if (align_up(base, WINDOW_ALIGN) < end)
		base = align_up(base, WINDOW_ALIGN);
	if (base < end && end - base > l->mem64.size)
		l->mem64 = (struct layout_range){.base = base, .size = end - base};
}

typedef void range_fn(struct filling *f, uint64_t base, uint64_t end);

/* Calls @use for the parts of [@base, @end) that AMD does not reserve. */
static void visit_accessible(struct filling *f, range_fn *use, uint64_t base, uint64_t end)
{
	for (unsigned bits = AMD_BITS; f->cpu->amd && bits <= PLACE_BITS; bits++) {
		uint64_t reserved = BIT64(bits) - AMD_RESERVED;
		if (base < min_u64(end, reserved))
			use(f, base, min_u64(end, reserved));
		base = end > reserved ? max_u64(base, BIT64(bits)) : end;
	}
	if (base < end)
		use(f, base, end);
}

/* The same for those that the IOMMU translates as well. */
static void visit_usable(struct filling *f, range_fn *use, uint64_t base, uint64_t end)
{
	if (!f->count)
		visit_accessible(f, use, base, end);
	for (size_t i = 0; i < f->count; i++) {
		const struct vfio_span *s = &f->usable[i];
		if (s->first.v < end && s->last.v >= base)
			visit_accessible(f, use, max_u64(base, s->first.v),
				s->last.v < end ? s->last.v + 1 : end);
	}
}

/* The width of the last address that devices can use. */
static unsigned iommu_bits(const struct vfio_span *usable, size_t count)
{
	uint64_t last = count ? usable[count - 1].last.v : UINT64_MAX;
	unsigned bits = 0;

	while (bits < 64 && last >> bits)
		bits++;
	return bits;
}

static int check_filling(const struct filling *f, uint64_t size, unsigned bits, struct err *e)
{
	const struct layout *l = f->layout;

	if (!l->count || l->ram[0].base || l->ram[0].size < min_u64(size, FIRST_MIN)) {
		err_say(e, -EADDRINUSE,
			"lay out the guest's memory: the IOMMU reserves addresses below %u MiB, "
			"which a kernel needs to boot",
			(unsigned)(FIRST_MIN >> 20));
		err_hint(e, "see /sys/kernel/iommu_groups/*/reserved_regions");
		return -EADDRINUSE;
	}
	if (f->error < 0)
		return err_say(e, f->error,
			"lay out the guest's memory: the IOMMU's reserved addresses cut it into "
			"more than %d pieces",
			LAYOUT_RANGES_MAX);
	if (f->left)
		return err_say(e, -ENOSPC,
			"lay out the guest's memory: %" PRIu64
			" MiB do not fit into addresses of %u bits",
			size >> 20, (unsigned)min_u64(bits, PLACE_BITS));
	return 0;
}

int layout_make(uint64_t size, const struct layout_cpu *cpu, const struct vfio_span *usable,
	size_t count, struct layout *ret, struct err *e)
{
	unsigned bits = (unsigned)min_u64(cpu->phys_bits, iommu_bits(usable, count));
	struct layout l = {.bits = (unsigned)min_u64(max_u64(bits, BITS_MIN), BITS_MAX)};
	struct filling f = {
		.cpu = cpu, .usable = usable, .count = count, .layout = &l, .left = size};
	uint64_t end = BIT64(min_u64(l.bits, PLACE_BITS));

	/* Pieces are aligned, so only the last one may have another size. */
	visit_usable(&f, fill_range, 0, LAYOUT_LOW_MAX);
	visit_usable(&f, fill_range, LAYOUT_HIGH_BASE, end);
	int r = check_filling(&f, size, bits, e);
	if (r < 0)
		return r;
	visit_usable(&f, widen_window, LAYOUT_HIGH_BASE, end);
	*ret = l;
	return 0;
}
