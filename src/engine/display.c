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
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define DISPLAY_BOUNDS "size=64k,nr_inodes=16"
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

/* A keeper of before may have mounted one upon another. */
void display_discard(const char *path)
{
	while (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
		;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return;
	folder_empty(fd, 0);
	(void)rmdir(path);
}

/*
 * What the engine's user writes there is memory of the host's. Only root can bound it; any other
 * caller has an engine of the caller's own user.
 */
static int folder_bound(const char *path, uid_t uid)
{
	char options[96];

	if (geteuid() != 0)
		return 0;
	(void)snprintf(options, sizeof(options), "mode=0700,uid=%u,gid=%u," DISPLAY_BOUNDS,
		(unsigned)uid, (unsigned)uid);
	return mount("usher", path, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options) < 0 ? -errno
											    : 0;
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
	*ret = d; /* for display_close() */
	r = folder_bound(d.path, uid);
	if (r < 0)
		return err_set(e, r, "--display: mount a file system at '%s'", d.path);
	ret->fd = open(d.path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (ret->fd < 0)
		return err_set(e, -errno, "--display: open '%s'", d.path);
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
