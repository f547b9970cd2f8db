/* SPDX-License-Identifier: MIT */
#include "engine/belongings.h"

#include "base/err.h"
#include "base/file.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define TOP "/var/lib/usher/guest"

static int top_path(char *ret, size_t size)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

	if (geteuid() == 0)
		return file_path(ret, size, TOP);
	if (state && state[0] == '/')
		return file_path(ret, size, "%s/usher/guest", state);
	if (home && home[0] == '/')
		return file_path(ret, size, "%s/.local/state/usher/guest", home);
	return -ENOENT;
}

/* Only this user enters it, whoever a file in it belongs to meanwhile. */
static int folder_make(const char *name, char *ret, size_t size)
{
	char top[FILE_PATH_MAX];

	int r = top_path(top, sizeof(top));
	if (r < 0)
		return r;
	r = file_mkdirs(top, 0755);
	if (r < 0)
		return r;
	r = file_path(ret, size, "%s/%s", top, name);
	if (r < 0)
		return r;
	return mkdir(ret, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

int belongings_path(const char *name, const char *file, char *ret, size_t size, struct err *e)
{
	char folder[FILE_PATH_MAX];

	int r = folder_make(name, folder, sizeof(folder));
	if (r == 0)
		r = file_path(ret, size, "%s%s%s", folder, file[0] ? "/" : "", file);
	return r < 0 ? err_set(e, r, "make the folder of what guest '%s' owns", name) : 0;
}
