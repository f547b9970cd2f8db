/* SPDX-License-Identifier: MIT */
/*
 * BARs in a window: nothing overlaps, everything lies inside and where it may, and what a bridge is
 * given for its window has room for all behind it. And a BAR cut into what is mapped and what is
 * trapped: without gaps, mapped only where VFIO allows it, never the page of an MSI-X table.
 *
 * Input: 1 byte which; then a window and claims of 2 bytes, or a region, its areas and holes.
 *
 * covers: src/pci/aperture.c
 */
#include "base/num.h"
#include "input.h"
#include "pci/aperture.h"
#include "vmm/pass/bar.h"

#include <check.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CLAIMS 40
#define PAGE UINT64_C(4096)

/* As BARs and the windows of bridges are: a power of two, or some of them. */
static size_t read_claims(struct input *in, struct pci_claim ret[CLAIMS])
{
	size_t count = input_byte(in) % (CLAIMS + 1U);

	for (size_t i = 0; i < count; i++) {
		uint64_t align = BIT64(input_byte(in) % 46U);
		uint64_t more = input_byte(in);
		ret[i] = (struct pci_claim){.align = align,
			.size = more & 1 && align >= 256 ? align + (align >> 8) * (more >> 1)
							 : align};
	}
	return count;
}

static void check_places(
	const struct pci_claim *c, size_t count, size_t unplaced, uint64_t base, uint64_t size)
{
	size_t missing = 0;

	for (size_t i = 0; i < count; i++) {
		missing += !c[i].base;
		if (!c[i].base)
			continue;
		ck_assert(!(c[i].base & (c[i].align - 1)));
		ck_assert(c[i].base >= base && range_ok(c[i].base - base, c[i].size, size));
		for (size_t k = 0; k < i; k++)
			ck_assert(!c[k].base || c[i].base + c[i].size <= c[k].base ||
				  c[k].base + c[k].size <= c[i].base);
	}
	/* At address 0 nothing lies in a PC: a base of 0 says that there is no room. */
	ck_assert(missing == unplaced || !base);
}

static void try_aperture(struct input *in)
{
	static const uint64_t granules[] = {4096, UINT64_C(1) << 20};
	struct pci_claim claims[CLAIMS];
	uint64_t granule = granules[input_byte(in) & 1];
	uint64_t base = input_number(in), size = input_number(in);
	size_t count = read_claims(in, claims);

	if (size > UINT64_MAX - base)
		return;
	check_places(claims, count, pci_aperture_place(claims, count, base, size), base, size);
	struct pci_claim sum = pci_aperture_sum(claims, count, granule);
	ck_assert(!(sum.size & (granule - 1)) && is_pow2(sum.align));
	if (!sum.size)
		return;
	/* Wherever a window of this size and alignment lies, all of it finds room. */
	base = align_up(base & low_bits(50), sum.align);
	base = base ? base : sum.align;
	ck_assert(pci_aperture_place(claims, count, base, sum.size) == 0);
	check_places(claims, count, 0, base, sum.size);
}

static size_t read_region(struct input *in, struct vfio_region *r, struct pass_hole holes[2])
{
	unsigned area_count = input_byte(in) % (VFIO_AREAS_MAX + 1U);
	size_t hole_count = 0;
	uint64_t end = 0;

	*r = (struct vfio_region){.size = input_number(in) & INT64_MAX};
	for (unsigned i = 0; i < 2; i++) {
		uint64_t off = input_number(in) & UINT32_MAX & ~7U;
		uint64_t size = 1 + input_number(in) % 32768;
		if (range_ok(off, size, r->size))
			holes[hole_count++] = (struct pass_hole){.off = off, .size = size};
	}
	for (unsigned i = 0; i < area_count; i++) {
		uint64_t off, size = input_number(in);
		if (__builtin_add_overflow(end, input_number(in), &off) || !size ||
			!range_ok(off, size, r->size))
			break;
		r->areas[r->area_count++] = (struct vfio_area){.off = off, .size = size};
		end = off + size;
	}
	return hole_count;
}

/* Whether the areas, which may adjoin, allow all of [@off, @end) to be mapped. */
static bool areas_allow(const struct vfio_region *r, uint64_t off, uint64_t end)
{
	for (size_t i = 0; i < r->area_count; i++)
		if (r->areas[i].off <= off && off < r->areas[i].off + r->areas[i].size)
			off = r->areas[i].off + r->areas[i].size;
	return off >= end;
}

static void try_cut(struct input *in)
{
	struct vfio_region region;
	struct pass_hole holes[2];
	struct pass_span spans[PASS_SPANS_MAX];
	uint64_t done = 0;
	size_t hole_count = read_region(in, &region, holes);

	if (!region.size)
		return;
	unsigned count = pass_bar_cut(&region, holes, (unsigned)hole_count, spans);
	ck_assert(count >= 1 && count <= PASS_SPANS_MAX);
	for (unsigned i = 0; i < count; i++) {
		const struct pass_span *s = &spans[i];
		ck_assert(s->off == done && s->size);
		ck_assert(!i || s->mapped != s[-1].mapped);
		done += s->size;
		if (!s->mapped)
			continue;
		ck_assert(!((s->off | s->size) & (PAGE - 1)));
		ck_assert(areas_allow(&region, s->off, done));
		for (size_t k = 0; k < hole_count; k++)
			ck_assert(holes[k].off + holes[k].size <= s->off || holes[k].off >= done);
	}
	ck_assert(done == region.size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, data + size};

	if (input_byte(&in) & 1)
		try_cut(&in);
	else
		try_aperture(&in);
	return 0;
}
