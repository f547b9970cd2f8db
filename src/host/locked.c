/* SPDX-License-Identifier: MIT */
#include "host/locked.h"

#include "base/clean.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/num.h"
#include "base/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define PATIENCE_MS 1500 /* a device takes 100 ms to leave D3cold, and its link some more */
#define STUCK_MAX 16

/* Paths whose read timed out: usher waits only once for each. */
static char stuck[STUCK_MAX][FILE_PATH_MAX];
static size_t stuck_count;

bool locked_attribute(const char *path)
{
	/*
	 * driver_override_show() takes the device's lock up to Linux 6.12, and a lock of its own
	 * after that; sriov_numvfs_show() takes the device's lock since 5.11.
	 */
	static const char *const names[] = {"driver_override", "sriov_numvfs", "config"};
	const char *name = file_base(path);

	for (size_t i = 0; i < COUNT(names); i++)
		if (strcmp(name, names[i]) == 0)
			return strncmp(path, "/sys/", 5) == 0;
	return false;
}

static bool was_stuck(const char *path)
{
	for (size_t i = 0; i < stuck_count; i++)
		if (strcmp(stuck[i], path) == 0)
			return true;
	return false;
}

static void remember_stuck(const char *path)
{
	if (stuck_count < STUCK_MAX &&
		file_path(stuck[stuck_count], sizeof(stuck[0]), "%s", path) == 0)
		stuck_count++;
}

#define DATA_MAX 4096 /* configuration space; other attributes are no longer */

/* One read by a disposable child (base/spawn.h). A child that hangs keeps it. */
struct reading {
	char stack[SPAWN_STACK] __attribute__((aligned(16)));
	int out;
	size_t size;
	char path[FILE_PATH_MAX];
	struct {
		ssize_t len; /* or -errno */
		char data[DATA_MAX];
	} answer;
};

/* Answers by one write(2): a pipe has room for it. */
static void read_main(void *arg)
{
	struct reading *r = arg;

	spawn_keep_only(r->out);
	long fd = spawn_call(SYS_openat, AT_FDCWD, (long)r->path, O_RDONLY | O_NOCTTY, 0, 0);
	r->answer.len = fd;
	if (fd >= 0)
		r->answer.len = spawn_call(SYS_read, fd, (long)r->answer.data, (long)r->size, 0, 0);
	size_t len = sizeof(r->answer.len) + (r->answer.len > 0 ? (size_t)r->answer.len : 0);
	(void)spawn_call(SYS_write, r->out, (long)&r->answer, (long)len, 0, 0);
	spawn_leave();
}

/* Return: length, -ETIMEDOUT, -errno. */
static ssize_t answer_wait(int fd, void *buf, size_t size)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	ssize_t len;
	int r;

	do
		r = poll(&p, 1, PATIENCE_MS);
	while (r < 0 && errno == EINTR);
	if (r <= 0)
		return r == 0 ? -ETIMEDOUT : -errno;
	r = fd_read_full(fd, &len, sizeof(len));
	if (r < 0)
		return r;
	if (len <= 0)
		return len;
	if ((size_t)len > size)
		return -EIO;
	r = fd_read_full(fd, buf, (size_t)len);
	return r < 0 ? r : len;
}

ssize_t locked_read(const char *path, void *buf, size_t size)
{
	int ends[2];

	if (was_stuck(path))
		return -ETIMEDOUT;
	if (access(path, R_OK) < 0)
		return -errno;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	cleanup_fd int in = ends[0];
	struct reading *r = aligned_alloc(16, sizeof(*r));
	if (r) {
		r->out = ends[1];
		r->size = size < DATA_MAX ? size : DATA_MAX;
	}
	pid_t pid = r ? file_path(r->path, sizeof(r->path), "%s", path) : -ENOMEM;
	if (pid == 0)
		pid = spawn_start(r->stack, read_main, r);
	(void)close(ends[1]);
	if (pid < 0) {
		free(r);
		return pid;
	}
	ssize_t len = answer_wait(in, buf, size);
	if (len != -ETIMEDOUT) {
		/* The child's stack lies in @r: wait for its end before free(). */
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			continue;
		free(r);
		return len;
	}
	/* The child dies when its read returns, maybe never. It uses @r until then. */
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, WNOHANG);
	spawn_free_of_lost(r);
	remember_stuck(path);
	return len;
}
