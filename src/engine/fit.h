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
 * Whether a guest fits on this host, asked before anything is touched: what would else come to
 * light when its devices are taken already. Each thing that stands against it becomes a problem
 * of @p, as those of bind_plan() are; `run --plan` prints them, and a run refuses by them.
 *
 *	memlock    its memory is pinned for DMA: may this user lock as much
 *	memory     has the host as much at all
 *	hugepages  are as many free, if it is to have them
 *	reserved   can its memory be laid out around what the IOMMU keeps
 *	bars       is there address space for its devices' BARs; where QEMU's firmware places them,
 *	           only what no firmware can help: they are more than the guest can address
 *
 * Return: 0, -ENOMEM.
 */
int fit_check(struct host *h, const struct engine *engine, const struct guest_spec *s,
	const struct bind_request *q, struct bind_plan *p, struct err *e);

/* How a guest of usher-vmm would lie, for people who wonder about a `reserved` or `bars`. */
struct fit_layout {
	struct layout layout;
	uint64_t mem32; /* of BARs, below 4 GiB [bytes] */
	uint64_t mem64; /* of BARs, above RAM [bytes] */
};

/* Return: 0; -ENOENT the engine lays it out by itself; as layout_make(). */
int fit_lay_out(struct host *h, const struct engine *engine, const struct guest_spec *s,
	const struct bind_request *q, struct fit_layout *ret);

/* What is known of one check when it has been asked for a guest of an engine. */
enum fit_depth { FIT_WHOLE, FIT_PARTLY, FIT_NOT };

struct fit_name {
	const char *name; /* NULL: no more */
	enum fit_depth depth;
	const char *reason; /* what is left open; NULL: nothing */
};

/*
 * These checks, and those of bind_plan() that concern a guest, as @engine's guests get them: so
 * that a plan tells what it has not looked at. Return: static, ends with a NULL name.
 */
const struct fit_name *fit_names(const struct engine *engine);

/*
 * What the IOMMU translates for all targets, from the reserved_regions of their groups; ascending.
 * @room: at least 1. Return: how many.
 */
size_t fit_usable(struct host *h, const struct bind_request *q, struct vfio_span *ret, size_t room);

#endif
