/* SPDX-License-Identifier: MIT */
#include "base/lockfile.h"

#include "base/clean.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Return: a descriptor; -ESTALE the file that was locked has no name any more; -errno. */
static int lock_once(const char *path)
{
	cleanup_fd int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct stat st;

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 || fstat(fd, &st) < 0)
		return -errno;
	return st.st_nlink ? TAKE_FD(fd) : -ESTALE;
}

int lockfile_take(const char *path)
{
	int fd;

	/* Each turn is one owner that has ended meanwhile. */
	do
		fd = lock_once(path);
	while (fd == -ESTALE);
	return fd;
}

void lockfile_drop(const char *path, int *fd)
{
	if (*fd < 0)
		return;
	(void)unlink(path);
	fd_close(fd);
}
