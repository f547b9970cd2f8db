/* SPDX-License-Identifier: MIT */
#include "base/fd.h"

#include "base/num.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A transfer: of bytes from the file, or to it. */
struct transfer {
	int fd;
	char *in; /* NULL: out */
	const char *out;
	size_t len;
	bool at; /* at @off; else at the file's own position */
	off_t off;
};

static ssize_t transfer_some(const struct transfer *t)
{
	if (t->in)
		return t->at ? pread(t->fd, t->in, t->len, t->off) : read(t->fd, t->in, t->len);
	return t->at ? pwrite(t->fd, t->out, t->len, t->off) : write(t->fd, t->out, t->len);
}

static int transfer_bytes(struct transfer t)
{
	while (t.len) {
		ssize_t n = transfer_some(&t);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		if (t.in)
			t.in += n;
		else
			t.out += n;
		t.off += n;
		t.len -= (size_t)n;
	}
	return 0;
}

int fd_read_full(int fd, void *buf, size_t len)
{
	return transfer_bytes((struct transfer){.fd = fd, .in = buf, .len = len});
}

int fd_write_full(int fd, const void *buf, size_t len)
{
	return transfer_bytes((struct transfer){.fd = fd, .out = buf, .len = len});
}

int fd_pread_full(int fd, void *buf, size_t len, off_t off)
{
	return transfer_bytes(
		(struct transfer){.fd = fd, .in = buf, .len = len, .at = true, .off = off});
}

int fd_pwrite_full(int fd, const void *buf, size_t len, off_t off)
{
	return transfer_bytes(
		(struct transfer){.fd = fd, .out = buf, .len = len, .at = true, .off = off});
}

int fd_set_cloexec(int fd, int on)
{
	return fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0) < 0 ? -errno : 0;
}

void fd_close(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

void fd_fill_standard(void)
{
	/* In the wrong direction, so that a transfer fails with EBADF. */
	static const int flags[] = {O_WRONLY, O_RDONLY, O_RDONLY};

	for (int fd = 0; fd < (int)COUNT(flags); fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
			(void)open("/dev/null", flags[fd]); /* the lowest that is free: fd */
}

bool fd_takes_output(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && (flags & O_ACCMODE) != O_RDONLY;
}

int fd_pidfd_open(pid_t pid)
{
	long fd = syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : (int)fd;
}

static int fd_compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

void fd_close_others(int *kept, size_t count)
{
	int next = 0;

	qsort(kept, count, sizeof(*kept), fd_compare);
	for (size_t i = 0; i < count; i++) {
		if (kept[i] > next)
			(void)close_range((unsigned)next, (unsigned)kept[i] - 1, 0);
		next = kept[i] + 1;
	}
	(void)close_range((unsigned)next, ~0U, 0);
}
