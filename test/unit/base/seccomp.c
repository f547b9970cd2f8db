/* SPDX-License-Identifier: MIT */
#include "base/seccomp.h"

#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct permission calls[] = {{.number = SYS_getppid},
	{.number = SYS_fcntl, .request = F_GETFD}, {.number = SYS_fcntl, .request = F_GETFL},
	{.number = SYS_mmap, .flags = MAP_ANONYMOUS}, {.number = SYS_exit_group}};

static bool is_refused(long r)
{
	return r == -1 && errno == EPERM;
}

/* Return: the step that failed; 0 none. */
static int calls_try(void)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		seccomp_permit(calls, sizeof(calls) / sizeof(calls[0])) < 0)
		return 1;
	if (syscall(SYS_getppid) <= 0)
		return 2;
	if (!is_refused(syscall(SYS_getpid)) || !is_refused(syscall(SYS_openat, AT_FDCWD, "/", 0)))
		return 3;
	if (syscall(SYS_fcntl, 0, F_GETFD) < 0 || syscall(SYS_fcntl, 0, F_GETFL) < 0)
		return 4;
	if (!is_refused(syscall(SYS_fcntl, 0, F_SETFD, 0)) ||
		!is_refused(syscall(SYS_fcntl, 0, F_DUPFD, 3)))
		return 5;
	if (syscall(SYS_mmap, NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == -1 ||
		!is_refused(syscall(SYS_mmap, NULL, 4096, PROT_READ, MAP_PRIVATE, 0, 0)))
		return 7;
	/* The same code by the numbers of x32. */
	return is_refused(syscall(SYS_getppid | 0x40000000)) ? 0 : 6;
}

START_TEST(a_list_permits_its_calls_alone)
{
	int status = -1;
	pid_t child = fork();

	ck_assert_int_ge(child, 0);
	if (child == 0)
		(void)syscall(SYS_exit_group, calls_try());
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
}
END_TEST

SUITE("seccomp", a_list_permits_its_calls_alone)
