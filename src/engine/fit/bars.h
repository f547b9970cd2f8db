/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_FIT_BARS_H
#define ENGINE_FIT_BARS_H

#include "bind/bind.h"

struct host;
struct layout;
struct problem_kind;

/*
 * Checks that the BARs of the targets have room in a guest of usher-vmm, with its own layout. Adds
 * a problem for each device without room. Return: 0, -ENOMEM.
 */
int bars_check(struct host *h, const struct layout *layout, const struct bind_request *q,
	struct bind_plan *p);

/* How much a guest can address beside its memory [bytes]. */
struct bars_room {
	uint64_t low; /* below 4 GiB */
	uint64_t high; /* anywhere */
};

/*
 * Checks that the sum of all BARs is at most @room: no firmware can place more. Otherwise adds a
 * problem of @kind. Return: 0; 1 they are more; -ENOMEM.
 */
int bars_check_sum(struct host *h, struct bars_room room, const struct bind_request *q,
	const struct problem_kind *kind, struct bind_plan *p);

/* The sizes of the BAR windows of all root ports [bytes]: below 4 GiB, and 64-bit prefetchable. */
void bars_need(
	struct host *h, const struct bind_request *q, uint64_t *ret_mem32, uint64_t *ret_mem64);

#endif
