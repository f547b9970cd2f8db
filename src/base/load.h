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

/* Newer distributions have other names of the same calls; the first one is Debian 12's. */
#define LOAD_JSON_C "libjson-c.so.5 libjson-c.so.6 libjson-c.so.4"
#define LOAD_LIBXML "libxml2.so.2 libxml2.so.16"

/*
 * @sonames: names of the library, with blanks between them; the first one that is there, and has
 * all symbols, is taken. @package: the Debian package of the first one, for the hint. The library
 * stays loaded. Return: 0, -ENOPKG.
 */
int load_library(const char *sonames, const char *package, const struct load_symbol *symbols,
	size_t count, struct err *e);

#endif
