/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_BARS_H
#define ENGINE_BARS_H

#include "bind/bind.h"

struct host;
struct layout;

/*
 * Whether the BARs of the targets find address space in a guest of usher-vmm, laid out as it will
 * lay them out; adds a problem for each device that does not. Return: 0, -ENOMEM.
 */
int bars_check(struct host *h, const struct layout *layout, const struct bind_request *q,
	struct bind_plan *p);

/* What the BARs come to behind their root ports [bytes]: below 4 GiB, and 64-bit prefetchable. */
void bars_need(
	struct host *h, const struct bind_request *q, uint64_t *ret_mem32, uint64_t *ret_mem64);

#endif
