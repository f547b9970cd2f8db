/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_PLUG_GIVEBACK_H
#define ENGINE_PLUG_GIVEBACK_H

#include "engine/keeper.h"

struct wipe;

/* Who hears of each group. */
struct giveback_listener {
	void (*tell)(void *arg, struct keeper_news n);
	void *arg;
};

/*
 * Returns the groups that the journal has for @owner, the keeper: those of @plan that have not left
 * the guest before, and those that came to it while it ran. Return: 0, -EUCLEAN one is stuck.
 */
int giveback_groups(const struct keeper *k, const struct bind_plan *plan,
	const struct bind_owner *owner, const struct wipe *wipe, const struct giveback_listener *l);

#endif
