/* SPDX-License-Identifier: MIT */
#ifndef VIEW_RELEASE_H
#define VIEW_RELEASE_H

#include "bind/bind.h"

#include <stdio.h>

struct json;

/* A line for each device that was given back, or left: from which driver to which, and why. */
void release_text(FILE *to, const struct bind_report *r);

/* The same as elements of @list. */
void release_json(struct json *list, int group, const struct bind_report *r);

#endif
