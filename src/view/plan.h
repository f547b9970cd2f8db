/* SPDX-License-Identifier: MIT */
#ifndef VIEW_PLAN_H
#define VIEW_PLAN_H

#include "bind/bind.h"

#include <stdio.h>

struct json;

/* Writers of a plan: what binding devices does, or would do. Used by all verbs that bind. */

#define PLAN_DRIVER_TEXT 256

/* The name of a driver, escaped; "no driver" for "". Return: @buf. */
const char *plan_driver(const char *driver, char buf[PLAN_DRIVER_TEXT]);

/* One line per member: from which driver to which. */
void plan_text(FILE *to, const struct bind_plan *p);

/* One line per group: whether it is viable, so that VFIO allows opening it. */
void plan_text_viability(FILE *to, const struct bind_plan *p);

/* One line per step of a dry run. */
void plan_text_steps(FILE *to, const struct bind_step *steps, size_t count);

/* The keys "problems" and "steps"; @steps: NULL for null, when no step was planned. */
void plan_json_problems(struct json *doc, const struct bind_plan *p);
void plan_json_steps(struct json *doc, const struct bind_step *steps, size_t count);

/* The keys "groups" and "problems". */
void plan_json(struct json *doc, const struct bind_plan *p);

#endif
