/* SPDX-License-Identifier: MIT */
#include "engine/guestfile_read.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/output.h"
#include "engine/guestfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* An ACL that lets others write shows in the bits of the group, too. */
static int writers_check(const char *path, const struct stat *st, struct err *e)
{
	if (!output_trusts_owner(st->st_uid)) {
		(void)err_say(e, -EPERM, "guest file '%s' belongs to another user (uid %u)", path,
			(unsigned)st->st_uid);
		err_hint(e, "its owner decides what runs here; copy it to a file of your own");
		return -EPERM;
	}
	if (!(st->st_mode & (S_IWGRP | S_IWOTH)))
		return 0;
	(void)err_say(e, -EPERM, "guest file '%s' can be written by %s", path,
		st->st_mode & S_IWOTH ? "every user" : "other users of its group");
	err_hint(e, "chmod go-w '%s'", path);
	return -EPERM;
}

static int kind_check(const char *path, const struct stat *st, struct err *e)
{
	if (!S_ISREG(st->st_mode))
		return err_say(e, -EINVAL, "guest file '%s' is not a regular file", path);
	if (st->st_size > GUESTFILE_MAX) {
		(void)err_say(
			e, -EFBIG, "guest file '%s' has more than %d bytes", path, GUESTFILE_MAX);
		err_hint(e, "a guest file is text; an image of a disk is --disk '%s'", path);
		return -EFBIG;
	}
	return writers_check(path, st, e);
}

/* Without O_NONBLOCK, open() of a FIFO waits for a writer. */
int guestfile_read(const char *path, char **ret, size_t *ret_len, struct err *e)
{
	struct stat st;
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(e, -errno, "open guest file '%s'", path);
	int r = kind_check(path, &st, e);
	if (r < 0)
		return r;
	size_t len = (size_t)st.st_size;
	cleanup_free char *text = malloc(len + 1);
	if (!text)
		return err_set(e, -ENOMEM, "read guest file '%s'", path);
	r = fd_read_full(fd, text, len);
	if (r < 0)
		return err_set(e, r, "read guest file '%s'", path);
	text[len] = '\0';
	*ret_len = len;
	*ret = TAKE_PTR(text);
	return 0;
}
