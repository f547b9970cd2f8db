/* SPDX-License-Identifier: MIT */
#ifndef VIEW_RELEASE_H
#define VIEW_RELEASE_H

#include "bind/bind.h"

#include <stdio.h>

struct err;
struct json;

/* A line for each device that was given back, or left: from which driver to which, and why. */
void release_text(FILE *to, const struct bind_report *r);

/* The same as elements of @list. */
void release_json(struct json *list, int group, const struct bind_report *r);

/* Adds an error to the key "failures". @object: "group 7", or an address. */
void release_json_failure(struct json *list, const char *object, const struct err *e);

#endif
