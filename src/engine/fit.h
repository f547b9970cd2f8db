/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_FIT_H
#define ENGINE_FIT_H

#include "bind/bind.h"
#include "engine/engine.h"
#include "vfio/ioas.h"
#include "vfio/layout.h"

struct err;
struct host;

/*
 * Checks that a guest fits on this host, before usher takes its devices. Each obstacle becomes a
 * problem of @p, like those of bind_plan(): `run --plan` prints them, and a run refuses by them.
 *
 *	memlock    may this user lock the guest's memory, which the kernel pins for DMA
 *	memory     does the host have that much
 *	hugepages  are enough huge pages free, if the guest uses them
 *	reserved   is there room for its memory around the addresses that the IOMMU reserves
 *	bars       is there address space for the BARs of its devices. QEMU's firmware places BARs
 *	           itself: for QEMU, only whether they are more than the guest can address
 *	mmap       does the host map these BARs (engine/busy)
 *	rom        is a file in place of a ROM the one of this device (engine/rom)
 *
 * Return: 0, -ENOMEM.
 */
int fit_check(struct host *h, const struct engine *engine, const struct guest_spec *s,
	const struct bind_request *q, struct bind_plan *p, struct err *e);

/* The address layout of a guest of usher-vmm: it explains a problem `reserved` or `bars`. */
struct fit_layout {
	struct layout layout;
	uint64_t mem32; /* of BARs, below 4 GiB [bytes] */
	uint64_t mem64; /* of BARs, above RAM [bytes] */
};

/* Return: 0; -ENOENT the engine has a layout of its own; as layout_make(). */
int fit_lay_out(struct host *h, const struct engine *engine, const struct guest_spec *s,
	const struct bind_request *q, struct fit_layout *ret);

/* How much of one check applies to the guests of an engine. */
enum fit_depth { FIT_WHOLE, FIT_PARTLY, FIT_NOT };

struct fit_name {
	const char *name; /* NULL: no more */
	enum fit_depth depth;
	const char *reason; /* why it is not whole; NULL: it is */
};

/*
 * These checks, and those of bind_plan() that concern a guest, as far as they apply to @engine: a
 * plan also lists the checks that it cannot do. Return: static, ends with a NULL name.
 */
const struct fit_name *fit_names(const struct engine *engine);

/*
 * The addresses that the IOMMU translates for all targets, ascending: all but the reserved_regions
 * of their groups.
 * @room: at least 1. Return: how many.
 */
size_t fit_usable(struct host *h, const struct bind_request *q, struct vfio_span *ret, size_t room);

#endif
