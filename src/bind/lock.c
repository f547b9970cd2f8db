/* SPDX-License-Identifier: MIT */
#include "bind/lock.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "bind/bind.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define LOCK_PATIENCE_MS 3000 /* a transaction takes some hundred, unless the kernel hangs */
#define LOCK_POLL_MS 10

/* flock(2) has neither a time limit nor a descriptor to poll. */
static int lock_patiently(int fd)
{
	const struct timespec pause = {.tv_nsec = LOCK_POLL_MS * 1000000L};

	for (int waited = 0;; waited += LOCK_POLL_MS) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (waited >= LOCK_PATIENCE_MS)
			return -EBUSY;
		(void)nanosleep(&pause, NULL);
	}
}

static int say_holder(const char *path, int group, struct err *e)
{
	char pid[16];

	if (file_read(path, pid, sizeof(pid)) <= 0)
		(void)snprintf(pid, sizeof(pid), "?");
	err_say(e, -EBUSY, "group %d: another usher (process %s) works on it", group, pid);
	err_hint(e, "try again when it has finished");
	return -EBUSY;
}

static int open_lock(char *path)
{
	const int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW;
	int fd = open(path, flags, 0600);

	/* flock(2) needs no write access: what is lent can be returned on a read-only /run. */
	if (fd < 0 && errno == EROFS) {
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (fd < 0)
			return -EROFS;
	}
	if (fd >= 0)
		return fd;
	if (errno != ENOENT)
		return -errno;
	char *slash = strrchr(path, '/'); /* the first of this boot */
	*slash = '\0';
	int r = file_mkdirs(path, 0755);
	*slash = '/';
	if (r < 0)
		return r;
	fd = open(path, flags, 0600);
	if (fd < 0)
		return -errno;
	return fd;
}

int bind_lock(const struct bind_env *env, int group, struct err *e)
{
	char path[FILE_PATH_MAX];
	char pid[16];

	int r = file_path(path, sizeof(path), "%s/lock/%d", env->state, group);
	if (r < 0)
		return err_set(e, r, "lock of group %d", group);
	cleanup_fd int fd = open_lock(path);
	if (fd < 0) {
		err_set(e, fd, "open %s", path);
		if (fd == -EACCES || fd == -EPERM)
			err_hint(e, "run it as root");
		return fd;
	}
	r = lock_patiently(fd);
	if (r == -EBUSY)
		return say_holder(path, group, e);
	if (r < 0)
		return err_set(e, r, "lock %s", path);
	/* Only for the message of a process that waits; failure does not matter. */
	int n = snprintf(pid, sizeof(pid), "%d\n", getpid());
	if (ftruncate(fd, 0) == 0)
		(void)fd_pwrite_full(fd, pid, (size_t)n, 0);
	return TAKE_FD(fd);
}
