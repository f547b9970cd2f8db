/* SPDX-License-Identifier: MIT */
#include "image/source.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "image/nbd.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define GLIMPSE_SIZE NBD_READ_MAX
#define LOOK_SIZE ((off_t)1 << 62) /* libblkid refuses a file that is smaller than the disk */

int source_prepare(struct source *s, int fd, struct err *e)
{
	struct stat st;

	*s = SOURCE_NONE;
	s->fd = fd;
	if (fstat(fd, &st) < 0)
		return err_set(e, -errno, "stat the disk");
	s->is_served = S_ISSOCK(st.st_mode);
	if (!s->is_served)
		return 0;
	s->glimpse = memfd_create("glimpse", MFD_CLOEXEC);
	return s->glimpse < 0 || ftruncate(s->glimpse, LOOK_SIZE) < 0
		       ? err_set(e, -errno, "prepare to read the disk")
		       : 0;
}

int source_open(struct source *s, struct err *e)
{
	int r = s->is_served ? nbd_open(s->fd, SOURCE_EXPORT, &s->size) : 0;

	if (r == -EPIPE)
		return err_say(e, r, "the program that is to read it has ended");
	return r < 0 ? err_say(e, -EINVAL, "the program that is to read it gives no usable answer")
		     : 0;
}

static int served_read(const struct source *s, uint64_t off, char *buf, size_t len)
{
	int r = range_ok(off, len, s->size) ? 0 : -EIO;

	for (size_t done = 0; r == 0 && done < len;) {
		const uint32_t part = (uint32_t)min_u64(len - done, NBD_READ_MAX);
		r = nbd_read(s->fd, off + done, buf + done, part);
		done += part;
	}
	return r;
}

int source_read(const struct source *s, uint64_t off, void *buf, size_t len)
{
	return s->is_served ? served_read(s, off, buf, len)
			    : fd_pread_full(s->fd, buf, len, (off_t)off);
}

int source_look(const struct source *s, uint64_t off, uint64_t size, uint64_t *ret_start)
{
	const size_t len = (size_t)min_u64(size, GLIMPSE_SIZE);

	*ret_start = s->is_served ? 0 : off;
	if (!s->is_served)
		return s->fd;
	cleanup_free void *buf = malloc(GLIMPSE_SIZE);
	int r = buf ? served_read(s, off, buf, len) : -ENOMEM;
	if (r == 0)
		r = fd_pwrite_full(s->glimpse, buf, len, 0);
	return r < 0 ? r : s->glimpse;
}
