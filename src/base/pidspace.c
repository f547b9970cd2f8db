/* SPDX-License-Identifier: MIT */
#include "base/pidspace.h"

#include "base/clean.h"
#include "base/clone.h"
#include "base/fd.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

bool pidspace_is_first(void)
{
	return getpid() == 1;
}

static void file_write(const char *path, const char *text, size_t len)
{
	cleanup_fd int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		(void)fd_write_full(fd, text, len);
}

static void map_write(const char *path, unsigned id)
{
	char line[32];
	int len = snprintf(line, sizeof(line), "%u %u 1", id, id);

	file_write(path, line, (size_t)len);
}

/*
 * An ordinary user may make a PID namespace inside of a user namespace alone. There the user is
 * mapped to itself, because the kernel lets only a mapped user make a further user namespace. It
 * maps a group only after nobody can leave it. What fails here is missed by whoever needs it.
 */
static void user_map(uid_t uid, gid_t gid)
{
	static const char deny[] = "deny";

	file_write("/proc/self/setgroups", deny, sizeof(deny) - 1);
	map_write("/proc/self/uid_map", uid);
	map_write("/proc/self/gid_map", gid);
}

pid_t pidspace_fork(int cgroup, bool *ret_inside)
{
	const uid_t uid = geteuid();
	const gid_t gid = getegid();
	const uint64_t user = uid ? CLONE_NEWUSER : 0;

	pid_t pid = clone_process(CLONE_NEWPID | user, cgroup, ret_inside);
	if (pid == 0 && user)
		user_map(uid, gid);
	return pid < 0 ? clone_process(0, cgroup, ret_inside) : pid;
}
