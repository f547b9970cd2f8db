/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_BARS_H
#define ENGINE_BARS_H

#include "bind/bind.h"

struct host;
struct layout;
struct problem_kind;

/*
 * Whether the BARs of the targets find address space in a guest of usher-vmm, laid out as it will
 * lay them out; adds a problem for each device that does not. Return: 0, -ENOMEM.
 */
int bars_check(struct host *h, const struct layout *layout, const struct bind_request *q,
	struct bind_plan *p);

/* How much a guest can address beside its memory, whoever places BARs there. [bytes] */
struct bars_room {
	uint64_t low; /* below 4 GiB */
	uint64_t high; /* anywhere */
};

/*
 * Whether all BARs of the targets together are no more than @room: what is more, no firmware can
 * place, and becomes a problem of @kind. Return: 0; 1 they are more; -ENOMEM.
 */
int bars_check_sum(struct host *h, struct bars_room room, const struct bind_request *q,
	const struct problem_kind *kind, struct bind_plan *p);

/* What the BARs come to behind their root ports [bytes]: below 4 GiB, and 64-bit prefetchable. */
void bars_need(
	struct host *h, const struct bind_request *q, uint64_t *ret_mem32, uint64_t *ret_mem64);

#endif
