/* SPDX-License-Identifier: MIT */
#ifndef CLI_ENDING_H
#define CLI_ENDING_H

#include <stdbool.h>

struct guest_spec;
struct keeper_news;

/* Tells a person how a guest ended, and why if the keeper knows. @n: KEEPER_ENDED. */
void ending_print(const struct guest_spec *s, bool quiet, const struct keeper_news *n);

#endif
