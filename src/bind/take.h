/* SPDX-License-Identifier: MIT */
#ifndef BIND_TAKE_H
#define BIND_TAKE_H

#include "bind/plan.h"

/*
 * Carries a request out. @ret is the plan that was made under the lock, also on failure; with
 * refusals nothing was touched. On any other failure everything has been undone, or @e says
 * what could not be, and the journal keeps it for bind_restore().
 * Return: 0, -EPERM when @ret->refusals, -EBUSY when another usher works on a group,
 * -ETIMEDOUT when the kernel did not come back from an unbind, -errno.
 */
int bind_take(const struct bind_env *env, const struct bind_request *q, struct bind_plan *ret,
	struct err *e);

#endif
