/* SPDX-License-Identifier: MIT */
/*
 * An image that the host itself uses: below a loop device, or as swap space. Neither takes a lock.
 * Both are found by the file's number. The kernel's paths are as they were when the use began: the
 * name may be gone since, hidden by a mount, or one of another mount namespace.
 */
#include "engine/disk/image_use.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/file.h"
#include "host/host.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct search {
	struct host *host;
	const struct stat *image;
	char found[64];
};

static bool is_image(const struct search *s, const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && st.st_dev == s->image->st_dev &&
	       st.st_ino == s->image->st_ino;
}

/* An ordinary user cannot ask the kernel for the number, and has the path alone. */
static bool loop_has_path(const struct search *s, const char *loop)
{
	char path[FILE_PATH_MAX], file[FILE_PATH_MAX];

	return file_path(path, sizeof(path), "/sys/class/block/%s/loop/backing_file", loop) == 0 &&
	       host_read_text(s->host, path, file, sizeof(file)) >= 0 && is_image(s, file);
}

static int loop_compare(void *arg, const char *name)
{
	struct search *s = arg;
	struct host_number number;

	if (strncmp(name, "loop", 4) != 0)
		return 0;
	const bool is_told = s->host->ops->loop(s->host, name, &number) == 0;
	const bool is_same = is_told && number.kind == HOST_NUMBER_FILE && number.inode &&
			     number.dev == s->image->st_dev && number.inode == s->image->st_ino;
	if (is_same || loop_has_path(s, name))
		(void)snprintf(s->found, sizeof(s->found), "%s", name);
	return s->found[0] != '\0';
}

/* "NAME TYPE SIZE USED PRIORITY"; blanks in a name are octal. */
static bool is_swap(const struct search *s)
{
	cleanup_free char *text = NULL;
	char *rest;

	if (host_read_all(s->host, "/proc/swaps", &text) < 0)
		return false;
	rest = text;
	for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n")) {
		char *name = strsep(&line, " \t");

		file_unescape(name);
		if (name[0] == '/' && is_image(s, name))
			return true;
	}
	return false;
}

int image_use_check(struct host *h, const char *path, const struct stat *st, struct err *e)
{
	struct search s = {.host = h, .image = st};

	(void)h->ops->list(h, "/sys/class/block", loop_compare, &s);
	if (s.found[0]) {
		err_say(e, -EINVAL, "the host uses '%s': it is below %s", path, s.found);
		err_hint(e, "losetup -d /dev/%s, when nothing of it is mounted", s.found);
		return -EINVAL;
	}
	if (is_swap(&s)) {
		err_say(e, -EINVAL, "the host uses '%s': it is swap space", path);
		err_hint(e, "swapoff '%s'", path);
		return -EINVAL;
	}
	return 0;
}
