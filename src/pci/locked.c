/* SPDX-License-Identifier: MIT */
#include "pci/locked.h"
#include "base/clean.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/num.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#define PATIENCE_MS 1500 /* waking a device from D3cold takes 100 ms, and a link some more */
#define STUCK_MAX 16

/* What did not come back before: each such wait is paid for only once. */
static char stuck[STUCK_MAX][FILE_PATH_MAX];
static size_t stuck_count;

bool locked_attribute(const char *path)
{
	/*
	 * driver_override_show() takes the lock up to kernel 6.12, and later ones a lock of their
	 * own; sriov_numvfs_show() takes it since 5.11.
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

static void remember(const char *path)
{
	if (stuck_count < STUCK_MAX &&
		file_path(stuck[stuck_count], sizeof(stuck[0]), "%s", path) == 0)
		stuck_count++;
}

/*
 * Answers on descriptor 0, its only one: a process that the kernel keeps for ever must hold neither
 * a lock of ours nor the end of a pipe that somebody reads.
 */
static _Noreturn void child(int out, const char *path, void *buf, size_t size)
{
	ssize_t n;

	if (dup2(out, 0) < 0 || close_range(1, ~0u, 0) < 0)
		_exit(1);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	n = fd < 0 ? -1 : read(fd, buf, size);
	n = n < 0 ? -errno : n;
	if (fd_write_full(0, &n, sizeof(n)) == 0 && n > 0)
		(void)fd_write_full(0, buf, (size_t)n);
	_exit(0);
}

/* Return: length, -ETIMEDOUT, -errno. */
static ssize_t answer(int fd, void *buf, size_t size)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	ssize_t n;
	int r;

	do
		r = poll(&p, 1, PATIENCE_MS);
	while (r < 0 && errno == EINTR);
	if (r <= 0)
		return r == 0 ? -ETIMEDOUT : -errno;
	r = fd_read_full(fd, &n, sizeof(n));
	if (r == 0 && n > 0)
		r = (size_t)n <= size ? fd_read_full(fd, buf, (size_t)n) : -EIO;
	return r < 0 ? r : n;
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
	pid_t pid = fork();
	if (pid == 0)
		child(ends[1], path, buf, size);
	(void)close(ends[1]);
	if (pid < 0)
		return -errno;
	ssize_t n = answer(in, buf, size);
	if (n != -ETIMEDOUT) {
		(void)waitpid(pid, NULL, 0);
		return n;
	}
	/* It dies when the kernel lets it, and is then init's. */
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, WNOHANG);
	remember(path);
	return n;
}
