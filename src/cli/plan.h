/* SPDX-License-Identifier: MIT */
#ifndef CLI_PLAN_H
#define CLI_PLAN_H

#include "bind/bind.h"

#include <stdio.h>

struct json;

/* What taking devices does or would do: told alike by `bind` and `run`. */

/* A line a member: from which driver to which. */
void plan_members(FILE *to, const struct bind_plan *p);

/* Each problem on stderr, with what to do about it. */
void plan_problems(const struct bind_plan *p);

/* The keys "groups" and "problems". */
void plan_put(struct json *doc, const struct bind_plan *p);

#endif
