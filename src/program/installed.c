/* SPDX-License-Identifier: MIT */
#include "program/installed.h"

#include "base/err.h"
#include "base/file.h"
#include "base/num.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int path_try(char *buf, size_t size, const char *path)
{
	if (access(path, X_OK) < 0)
		return -errno;
	return file_path(buf, size, "%s", path);
}

/* Beside our own program: in the build tree, or where another prefix was unpacked. */
static int sibling_find(const char *name, const char *folder, char *buf, size_t size)
{
	char self[FILE_PATH_MAX], path[FILE_PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n <= 0)
		return -ENOENT;
	self[n] = '\0';
	*strrchr(self, '/') = '\0';
	if (file_path(path, sizeof(path), "%s/../%s/%s", self, folder, name) == 0 &&
		path_try(buf, size, path) == 0)
		return 0;
	if (file_path(path, sizeof(path), "%s/../libexec/usher/%s", self, name) == 0 &&
		path_try(buf, size, path) == 0)
		return 0;
	return file_path(path, sizeof(path), "%s/%s", self, name) == 0 ? path_try(buf, size, path)
								       : -ENOENT;
}

int installed_find(const char *name, const char *folder, const char *variable, char *buf,
	size_t size, struct err *e)
{
	char path[FILE_PATH_MAX];
	const char *env = getenv(variable);

	if (env && env[0])
		return file_path(buf, size, "%s", env);
	if (sibling_find(name, folder, buf, size) == 0)
		return 0;
	if (file_path(path, sizeof(path), USHER_LIBEXECDIR "/%s", name) == 0 &&
		path_try(buf, size, path) == 0)
		return 0;
	err_say(e, -ENOENT, "%s is not installed", name);
	err_hint(e, "looked beside usher and in " USHER_LIBEXECDIR "; %s=PATH names another",
		variable);
	return -ENOENT;
}
