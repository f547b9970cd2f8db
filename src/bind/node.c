/* SPDX-License-Identifier: MIT */
#include "bind/node.h"

#include "base/clean.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "bind/bind.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define HELD_PATIENCE_MS 10000 /* a guest that was killed unpins its memory first */
#define HELD_PAUSE_NS 20000000

/* The deepest directory on the way to @path that exists already. */
static int watch_parent(int fd, const char *path)
{
	char dir[FILE_PATH_MAX];

	int r = file_path(dir, sizeof(dir), "%s", path);
	while (r == 0) {
		char *slash = strrchr(dir, '/');
		if (!slash || slash == dir)
			return -ENOENT;
		*slash = '\0';
		if (inotify_add_watch(fd, dir, IN_CREATE | IN_ATTRIB | IN_ONLYDIR) >= 0)
			return 0;
		if (errno != ENOENT)
			return -errno;
	}
	return r;
}

static int wait_event(int fd, int64_t timeout_ms)
{
	char events[4096] __attribute__((aligned(8)));
	struct pollfd p = {.fd = fd, .events = POLLIN};

	if (timeout_ms <= 0)
		return -ETIMEDOUT;
	int r = poll(&p, 1, (int)timeout_ms);
	if (r < 0)
		return errno == EINTR ? 0 : -errno;
	if (r == 0)
		return -ETIMEDOUT;
	return read(fd, events, sizeof(events)) < 0 && errno != EINTR ? -errno : 0;
}

int bind_node_wait(const char *path, int timeout_ms)
{
	/* devtmpfs makes the node before the write to `bind` returns; only others make it late. */
	if (access(path, F_OK) == 0)
		return 0;
	int64_t end = clock_ms() + timeout_ms;
	cleanup_fd int fd = inotify_init1(IN_CLOEXEC);
	if (fd < 0)
		return -errno;
	for (;;) {
		int r = watch_parent(fd, path);
		if (r < 0)
			return r;
		if (access(path, F_OK) == 0)
			return 0;
		r = wait_event(fd, end - clock_ms());
		if (r < 0)
			return r;
	}
}

int bind_node_chown(const char *path, const struct bind_access *a)
{
	if (lchown(path, a->uid, a->gid) < 0)
		return -errno;
	return a->mode && chmod(path, a->mode) < 0 ? -errno : 0;
}

/* The kernel lets one at a time open a group. Return: 0, -EBUSY, -errno. */
static int group_try(int group)
{
	char path[32];

	int r = file_path(path, sizeof(path), "/dev/vfio/%d", group);
	if (r < 0)
		return r;
	cleanup_fd int fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : 0;
}

bool bind_node_is_unopened(int group)
{
	return group_try(group) == 0;
}

/* The kernel refuses a second opener until the last device of the group is closed. */
bool bind_node_is_held(int group)
{
	const struct timespec pause = {.tv_nsec = HELD_PAUSE_NS};
	const int64_t until = clock_ms() + HELD_PATIENCE_MS;

	while (group_try(group) == -EBUSY) {
		if (clock_ms() >= until)
			return true;
		(void)nanosleep(&pause, NULL);
	}
	return false;
}
