/* SPDX-License-Identifier: MIT */
#include "desktop/command.h"

#include "base/clock.h"
#include "base/num.h"
#include "replay.h"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t killed;

/* A process that waits in the kernel, as rmmod may, survives SIGKILL: so does this one. */
int kill(pid_t pid, int sig)
{
	killed = sig == SIGKILL ? pid : 0;
	return 0;
}

START_TEST(gives_up_a_program_that_cannot_be_killed)
{
	static const char *const argv[] = {"sleep", "60", NULL};
	const int64_t begun = clock_ms();

	ck_assert_int_eq(desktop_command(argv, 100), -ETIMEDOUT);
	ck_assert_int_lt(clock_ms() - begun, 3000);
	ck_assert_int_gt(killed, 0);
	ck_assert_int_eq(syscall(SYS_kill, killed, SIGKILL), 0);
	ck_assert_int_eq(waitpid(killed, NULL, 0), killed);
}
END_TEST

START_TEST(returns_a_status)
{
	static const char *const argv[] = {"sh", "-c", "exit 7", NULL};
	static const char *const none[] = {"/nonexistent", NULL};

	ck_assert_int_eq(desktop_command(argv, 3000), 7);
	ck_assert_int_eq(desktop_command(none, 3000), -ENOENT);
}
END_TEST

SUITE("desktop command", gives_up_a_program_that_cannot_be_killed, returns_a_status)
