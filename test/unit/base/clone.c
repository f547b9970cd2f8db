/* SPDX-License-Identifier: MIT */
#include "base/clone.h"

#include "base/clean.h"
#include "suite.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

static int status_of(pid_t pid)
{
	int status = -1;

	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WEXITSTATUS(status);
}

START_TEST(begins_without_a_cgroup)
{
	bool inside = true;

	pid_t pid = clone_process(0, -1, &inside);
	if (pid == 0)
		_exit(inside ? 1 : 7);
	ck_assert(!inside);
	ck_assert_int_eq(status_of(pid), 7);
}
END_TEST

/* A folder that is no cgroup's: the caller moves the child, which then says what is wrong. */
START_TEST(begins_outside_of_what_is_none)
{
	cleanup_fd int folder = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	bool inside = true;

	pid_t pid = clone_process(0, folder, &inside);
	if (pid == 0)
		_exit(inside ? 1 : 7);
	ck_assert(!inside);
	ck_assert_int_eq(status_of(pid), 7);
}
END_TEST

SUITE("clone", begins_without_a_cgroup, begins_outside_of_what_is_none)
