/* SPDX-License-Identifier: MIT */
#include "base/load.h"

#include "base/err.h"

#include <dlfcn.h>
#include <errno.h>

int load_library(const char *soname, const char *package, const struct load_symbol *symbols,
	size_t count, struct err *e)
{
	/* Lazy binding: the linker resolves only calls that happen. */
	void *library = dlopen(soname, RTLD_LAZY | RTLD_LOCAL);

	for (size_t i = 0; library && i < count; i++) {
		void *address = dlsym(library, symbols[i].name);
		if (!address)
			return err_say(e, -ENOPKG, "library '%s' is too old: it has no %s()",
				soname, symbols[i].name);
		*(void **)symbols[i].slot = address;
	}
	if (library)
		return 0;
	(void)err_say(e, -ENOPKG, "library '%s' is not installed", soname);
	err_hint(e, "apt install %s", package);
	return -ENOPKG;
}
