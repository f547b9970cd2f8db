/* SPDX-License-Identifier: MIT */
#include "base/load.h"

#include "base/err.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SONAME_MAX 64

/* The next word of @names. Return: what follows it; NULL: there was none. */
static const char *name_next(const char *names, char name[SONAME_MAX])
{
	names += strspn(names, " ");
	size_t len = strcspn(names, " ");
	(void)snprintf(name, SONAME_MAX, "%.*s", (int)len, names);
	return len ? names + len : NULL;
}

/* Return: 0, -ENOPKG. */
static int symbols_find(void *library, const char *name, const struct load_symbol *symbols,
	size_t count, struct err *e)
{
	for (size_t i = 0; i < count; i++) {
		void *address = dlsym(library, symbols[i].name);
		if (!address)
			return err_say(e, -ENOPKG, "library '%s' is too old: it has no %s()", name,
				symbols[i].name);
		*(void **)symbols[i].slot = address;
	}
	return 0;
}

int load_library(const char *sonames, const char *package, const struct load_symbol *symbols,
	size_t count, struct err *e)
{
	char name[SONAME_MAX];
	int r = -ENOENT;

	for (const char *rest = sonames; r < 0 && (rest = name_next(rest, name));) {
		/* Lazy binding: the linker resolves only calls that happen. */
		void *library = dlopen(name, RTLD_LAZY | RTLD_LOCAL);
		if (library)
			r = symbols_find(library, name, symbols, count, e);
	}
	if (r != -ENOENT)
		return r;
	(void)name_next(sonames, name);
	(void)err_say(e, -ENOPKG, "library '%s' is not installed", name);
	err_hint(e, "apt install %s", package);
	return -ENOPKG;
}
