/* SPDX-License-Identifier: MIT */
#include "base/spawn.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__)
#define SHARES_MEMORY 1

long spawn_call(long number, long a, long b, long c, long d, long e)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = 0;
	long r;

	__asm__ volatile("syscall"
			 : "=a"(r)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return r;
}
#else
#define SHARES_MEMORY 0

long spawn_call(long number, long a, long b, long c, long d, long e)
{
	long r = syscall(number, a, b, c, d, e);

	return r < 0 ? -errno : r;
}
#endif

void spawn_leave(void)
{
	for (;;)
		(void)spawn_call(SYS_exit_group, 0, 0, 0, 0, 0);
}

void spawn_keep_only(int fd)
{
	if (fd > 0)
		(void)spawn_call(SYS_close_range, 0, fd - 1, 0, 0, 0);
	(void)spawn_call(SYS_close_range, fd + 1, UINT_MAX, 0, 0, 0);
}

#if SHARES_MEMORY
struct spawn_job {
	void (*main)(void *arg);
	void *arg;
};

static int child_enter(void *p)
{
	const struct spawn_job job = *(const struct spawn_job *)p;

	job.main(job.arg);
	spawn_leave();
}

static pid_t child_start(char *stack, void (*main)(void *arg), void *arg)
{
	/* At the low end of its stack: this function may return before the child reads it. */
	struct spawn_job *job = (void *)stack;

	*job = (struct spawn_job){main, arg};
	pid_t pid = clone(child_enter, stack + SPAWN_STACK, CLONE_VM | SIGCHLD, job);
	return pid < 0 ? -errno : pid;
}
#else
static pid_t child_start(char *stack, void (*main)(void *arg), void *arg)
{
	(void)stack;
	pid_t pid = fork();
	if (pid == 0) {
		main(arg);
		spawn_leave();
	}
	return pid < 0 ? -errno : pid;
}
#endif

void spawn_free_of_lost(void *given)
{
	if (!SHARES_MEMORY)
		free(given);
}

pid_t spawn_start(char stack[SPAWN_STACK], void (*main)(void *arg), void *arg)
{
	sigset_t all, before;

	/* None of our signal handlers may run in the child. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	pid_t pid = child_start(stack, main, arg);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return pid;
}
