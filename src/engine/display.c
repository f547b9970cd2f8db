/* SPDX-License-Identifier: MIT */
#include "engine/display.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/num.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 16 /* of folders in each other, which are not to be there at all */

static const char *const names[] = {
	[GUEST_DISPLAY_NONE] = "none",
	[GUEST_DISPLAY_VNC] = "vnc",
	[GUEST_DISPLAY_SPICE] = "spice",
};

int display_parse(const char *text, struct guest_display *ret)
{
	for (size_t i = 0; i < COUNT(names); i++) {
		if (strcmp(names[i], text) == 0) {
			ret->kind = (enum guest_display_kind)i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *display_name(enum guest_display_kind kind)
{
	return names[kind];
}

/*
 * The engine's user, which may be its guest's, writes there whatever it likes, so a name is never
 * followed: a link there could lead to files of the host.
 */
static void folder_empty(int fd, unsigned depth)
{
	const struct dirent *entry;
	cleanup_dir DIR *d = fdopendir(fd);

	if (!d)
		(void)close(fd);
	while (d && (entry = readdir(d))) {
		const char *name = entry->d_name;
		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
			unlinkat(fd, name, 0) == 0 || errno != EISDIR || depth == DEPTH_MAX)
			continue;
		int below = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (below >= 0)
			folder_empty(below, depth + 1);
		(void)unlinkat(fd, name, AT_REMOVEDIR);
	}
}

void display_discard(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return;
	folder_empty(fd, 0);
	(void)rmdir(path);
}

int display_open(
	const char *run_dir, const char *name, uid_t uid, struct display *ret, struct err *e)
{
	struct display d = DISPLAY_NONE;

	int r = file_path(d.path, sizeof(d.path), "%s/vm/%s/" DISPLAY_FOLDER, run_dir, name);
	if (r < 0)
		return err_set(e, r, "--display: make a folder for its socket");
	display_discard(d.path);
	if (mkdir(d.path, 0700) < 0 && errno != EEXIST)
		return err_set(e, -errno, "--display: make '%s'", d.path);
	d.fd = open(d.path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (d.fd < 0 || (uid && chown(d.path, uid, uid) < 0)) {
		r = err_set(e, -errno, "--display: open '%s'", d.path);
		fd_close(&d.fd);
		return r;
	}
	*ret = d;
	return 0;
}

void display_close(struct display *d)
{
	fd_close(&d->fd);
	if (!d->path[0])
		return;
	display_discard(d->path);
	d->path[0] = '\0';
}
