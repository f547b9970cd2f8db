/* SPDX-License-Identifier: MIT */
#include "pci/aperture.h"

#include "base/num.h"

/* The largest alignment of any claim that is smaller than @below; 0: there is none. */
static uint64_t next_align(const struct pci_claim *claims, size_t count, uint64_t below)
{
	uint64_t best = 0;

	for (size_t i = 0; i < count; i++)
		if (claims[i].align < below && claims[i].align > best)
			best = claims[i].align;
	return best;
}

size_t pci_aperture_place(struct pci_claim *claims, size_t count, uint64_t base, uint64_t size)
{
	size_t unplaced = 0;
	uint64_t at = base;

	for (uint64_t align = UINT64_MAX; (align = next_align(claims, count, align));) {
		for (size_t i = 0; i < count; i++) {
			if (claims[i].align != align)
				continue;
			uint64_t start = align_up(at, align);
			claims[i].base = 0;
			if (!size || start < at || !range_ok(start - base, claims[i].size, size)) {
				unplaced++;
				continue;
			}
			claims[i].base = start;
			at = start + claims[i].size;
		}
	}
	return unplaced;
}

struct pci_claim pci_aperture_sum(const struct pci_claim *claims, size_t count, uint64_t granule)
{
	struct pci_claim sum = {.align = granule};

	for (uint64_t align = UINT64_MAX; (align = next_align(claims, count, align));) {
		sum.align = max_u64(sum.align, align);
		for (size_t i = 0; i < count; i++)
			if (claims[i].align == align)
				sum.size = align_up(sum.size, align) + claims[i].size;
	}
	sum.size = align_up(sum.size, granule);
	return sum;
}
