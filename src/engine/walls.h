/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_WALLS_H
#define ENGINE_WALLS_H

#include <stdbool.h>
#include <stddef.h>

struct guest_spec;
struct host;

/* The walls that usher-vmm will have, by the names that it gives them itself (vmm/wall.h). */
#define WALLS_MAX 11

struct wall_forecast {
	const char *name;
	const char *missing; /* why this host has none; NULL: it will stand */
};

/*
 * Foretells from what the host says of itself; what cannot be read is taken to be there, and
 * usher-vmm will say. Without @s->no_sandbox, which leaves none. Return: how many, WALLS_MAX.
 */
size_t walls_foretell(struct host *h, const struct guest_spec *s, struct wall_forecast *ret);

#endif
