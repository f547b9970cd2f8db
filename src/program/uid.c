/* SPDX-License-Identifier: MIT */
#include "program/uid.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/file.h"
#include "base/lockfile.h"

#include <dirent.h>
#include <errno.h>
#include <unistd.h>

static int number_take(const char *dir, uid_t uid, struct uid_lease *ret)
{
	int r = file_path(ret->path, sizeof(ret->path), "%s/%u", dir, (unsigned)uid);
	if (r < 0)
		return r;
	ret->uid = uid;
	ret->fd = lockfile_take(ret->path);
	return ret->fd < 0 ? ret->fd : 0;
}

int uid_reserve(const char *run_dir, struct uid_lease *ret, struct err *e)
{
	unsigned first = (unsigned)getpid();
	char dir[FILE_PATH_MAX];

	*ret = UID_LEASE_NONE;
	int r = file_path(dir, sizeof(dir), "%s/uid", run_dir);
	if (r == 0)
		r = file_mkdirs(dir, 0755);
	if (r < 0)
		return err_set(e, r, "reserve a user: make %s/uid", run_dir);
	r = -EWOULDBLOCK;
	/* The first try mostly is a free one. */
	for (unsigned i = 0; r == -EWOULDBLOCK && i < UID_COUNT; i++)
		r = number_take(dir, UID_FIRST + (first + i) % UID_COUNT, ret);
	if (r == -EWOULDBLOCK)
		return err_say(
			e, -EUSERS, "reserve a user: all %u of %s are in use", UID_COUNT, dir);
	return r < 0 ? err_set(e, r, "reserve a user: lock %s", ret->path) : 0;
}

void uid_release(struct uid_lease *l)
{
	lockfile_drop(l->path, &l->fd);
}

void uid_sweep(const char *run_dir)
{
	struct uid_lease left = UID_LEASE_NONE;
	char dir[FILE_PATH_MAX];
	const struct dirent *entry;

	if (file_path(dir, sizeof(dir), "%s/uid", run_dir) < 0)
		return;
	cleanup_dir DIR *d = opendir(dir);
	while (d && (entry = readdir(d))) {
		if (entry->d_name[0] == '.' ||
			file_path(left.path, sizeof(left.path), "%s/%s", dir, entry->d_name) < 0)
			continue;
		left.fd = lockfile_take(left.path);
		if (left.fd >= 0)
			uid_release(&left);
	}
}
