/* SPDX-License-Identifier: MIT */
#include "daemon/path.h"

#include "daemon/daemon.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *bus_path(char buf[PATH_MAX_BUS], const char *kind, const char *name)
{
	char prefix[64], *path = NULL;

	(void)snprintf(prefix, sizeof(prefix), BUS_PATH "/%s", kind);
	if (sd_bus_path_encode(prefix, name, &path) < 0)
		(void)snprintf(buf, PATH_MAX_BUS, "/");
	else
		(void)snprintf(buf, PATH_MAX_BUS, "%s", path);
	free(path);
	return buf;
}

const char *bus_path_name(const char *path, const char *kind, char *buf, size_t size)
{
	char prefix[64], *name = NULL;

	(void)snprintf(prefix, sizeof(prefix), BUS_PATH "/%s", kind);
	int r = sd_bus_path_decode(path, prefix, &name);
	if (r > 0)
		(void)snprintf(buf, size, "%s", name);
	free(name);
	return r > 0 ? buf : NULL;
}
