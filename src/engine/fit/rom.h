/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_FIT_ROM_H
#define ENGINE_FIT_ROM_H

#include "bind/plan.h"
#include "engine/spec.h"

struct host;

/*
 * Checks each ROM file of a guest against the device that it is for: problem `rom` of @p, which
 * --allow=rom lifts. A file that cannot be read is left to the run. Return: 0, -ENOMEM.
 */
int rom_check(struct host *h, const struct guest_spec *s, const struct bind_request *q,
	struct bind_plan *p);

#endif
