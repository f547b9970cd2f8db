/* SPDX-License-Identifier: MIT */
#ifndef BIND_TAKE_H
#define BIND_TAKE_H

#include "bind/plan.h"

/*
 * Carries out a request. @ret gets the plan that was made under the locks, also on failure. With
 * refusals nothing is changed. After any other failure everything is undone, or @e says what is
 * not, and the journal keeps it for bind_restore().
 * Return: 0, -EPERM if @ret->refusals, -EBUSY if another usher works on a group,
 * -ETIMEDOUT if an unbind does not return, -errno.
 */
int bind_take(const struct bind_env *env, const struct bind_request *q, struct bind_plan *ret,
	struct err *e);

#endif
