/* SPDX-License-Identifier: MIT */
#include "host/modules.h"

#include "base/file.h"
#include "base/num.h"
#include "host/host.h"

#include <errno.h>

int host_modules_path(struct host *h, unsigned i, const char *name, char *buf, size_t size)
{
	/* The last two: of the booted system, before a switch to a newer one. */
	static const char *const folders[] = {"/lib/modules", "/usr/lib/modules",
		"/run/booted-system/kernel-modules/lib/modules",
		"/run/booted-system/kernel/lib/modules"};
	char release[128];

	if (i >= COUNT(folders))
		return -ENOENT;
	int r = host_read_text(h, "/proc/sys/kernel/osrelease", release, sizeof(release));
	return r < 0 ? r : file_path(buf, size, "%s/%s/%s", folders[i], release, name);
}

ssize_t host_modules_read(struct host *h, const char *name, char *path, size_t size, char **ret)
{
	ssize_t n = -ENOENT;

	for (unsigned i = 0; n == -ENOENT; i++) {
		int r = host_modules_path(h, i, name, path, size);
		if (r < 0)
			return r;
		n = host_read_all(h, path, ret);
	}
	return n;
}
