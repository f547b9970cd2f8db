/* SPDX-License-Identifier: MIT */
#ifndef VMM_PASS_BAR_H
#define VMM_PASS_BAR_H

#include "vfio/region.h"
#include "vmm/pass/reserve.h"
#include "vmm/pci/bar.h"

#include <stdbool.h>
#include <stdint.h>

struct err;
struct pass_dev;

/*
 * What VFIO adds to the BARs of an emulated function: a region behind each, whose pages are mapped
 * into the guest. Trapped are the pages of the MSI-X table and what VFIO does not allow to mmap.
 */
struct pass_region {
	struct vfio_region vfio; /* may be smaller than the BAR, whose size is a power of two */
	struct pass_reserve reserve; /* where its mapped pages are in this process */
};

/* A part of a BAR that must be trapped. */
struct pass_hole {
	uint64_t off;
	uint64_t size;
};

/* A part of a BAR and what becomes of it. */
struct pass_span {
	uint64_t off;
	uint64_t size;
	bool mapped;
};

#define PASS_SPANS_MAX (2 * (VFIO_AREAS_MAX + 2) + 1)

/*
 * Cuts a region into spans, ascending and without gaps: mapped where VFIO allows it, in whole
 * pages, but for the pages that @holes touch. Return: how many of @ret are set.
 */
unsigned pass_bar_cut(const struct vfio_region *r, const struct pass_hole *holes, unsigned count,
	struct pass_span ret[PASS_SPANS_MAX]);

/* Reads the BARs' kinds and sizes from VFIO and emulates their registers. Return: 0, -errno. */
int pass_bars_init(struct pass_dev *d, struct err *e);

/*
 * Cuts the BARs into pieces and maps into this process what can be mapped, once the MSI-X table's
 * place is known. A piece that cannot be mapped is trapped. Return: 0, -ENOMEM.
 */
int pass_bars_map(struct pass_dev *d, struct err *e);

/* Unmaps the device's pages; counts stay until func_bars_fini(). */
void pass_bars_release(struct pass_dev *d);

#endif
