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

#endif
