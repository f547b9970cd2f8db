/* SPDX-License-Identifier: MIT */
#include "engine/display.h"

#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/num.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* What the engine's user has left there is one of these, or nothing of ours. */
static void sockets_remove(const char *folder)
{
	char path[FILE_PATH_MAX];

	for (size_t i = 0; i < COUNT(names); i++)
		if (file_path(path, sizeof(path), "%s/%s", folder, names[i]) == 0)
			(void)unlink(path);
}

int display_open(
	const char *run_dir, const char *name, uid_t uid, struct display *ret, struct err *e)
{
	struct display d = DISPLAY_NONE;

	int r = file_path(d.path, sizeof(d.path), "%s/vm/%s/" DISPLAY_FOLDER, run_dir, name);
	if (r < 0)
		return err_set(e, r, "--display: make a folder for its socket");
	if (mkdir(d.path, 0700) < 0 && errno != EEXIST)
		return err_set(e, -errno, "--display: make '%s'", d.path);
	sockets_remove(d.path);
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
	sockets_remove(d->path);
	(void)rmdir(d->path);
	d->path[0] = '\0';
}
