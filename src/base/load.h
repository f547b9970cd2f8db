/* SPDX-License-Identifier: MIT */
#ifndef BASE_LOAD_H
#define BASE_LOAD_H

#include <stddef.h>

struct err;

/*
 * Loads libraries that only some verbs need. The linker maps, relocates and initialises every
 * linked library at each start, even for `usher --help`.
 */
struct load_symbol {
	const char *name;
	void *slot; /* address of the function pointer that is filled in */
};

/*
 * @package: the Debian package that contains @soname, for the hint. The library stays loaded.
 * Return: 0, -ENOPKG.
 */
int load_library(const char *soname, const char *package, const struct load_symbol *symbols,
	size_t count, struct err *e);

#endif
