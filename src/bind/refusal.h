/* SPDX-License-Identifier: MIT */
#ifndef BIND_REFUSAL_H
#define BIND_REFUSAL_H

#include <stdint.h>

struct bind_env;

/*
 * How often since the boot usher refused to take devices: the size of STATE/refusals, a file
 * without contents, which needs no more than one system call and no place to count.
 */
void bind_refusal_count(const struct bind_env *env);
uint64_t bind_refusals(const struct bind_env *env);

#endif
