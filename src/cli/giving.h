/* SPDX-License-Identifier: MIT */
#ifndef CLI_GIVING_H
#define CLI_GIVING_H

#include "bind/bind.h"

#include <stdio.h>

struct json;

/* What became of devices that were given back, for `release` and `restore`. */
void giving_print(FILE *to, const struct bind_report *r);
void giving_put(struct json *list, int group, const struct bind_report *r);

#endif
