/* SPDX-License-Identifier: MIT */
#ifndef VIEW_LOAD_H
#define VIEW_LOAD_H

#include <stddef.h>

struct err;

/*
 * Libraries that only some verbs need are loaded when such a verb runs: every library that a
 * program links is mapped, relocated and initialised at each start, also for `usher --help`.
 */
struct load_symbol {
	const char *name;
	void *slot; /* address of the function pointer that is filled in */
};

/*
 * @package: the Debian package that brings @soname, for the hint. Stays loaded for good.
 * Return: 0, -ENOPKG.
 */
int load_library(const char *soname, const char *package, const struct load_symbol *symbols,
	size_t count, struct err *e);

#endif
