/* SPDX-License-Identifier: MIT */
#include "vmm/walls/filter.h"

#include "vmm/walls/mark.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

/*
 * How it works
 *
 * Each kind of thread makes the system calls that it needs, and no other: an ioctl counts by its
 * request. The kernel answers any other call by SIGSYS before it runs any code of that call. Our
 * handler writes which call of which thread it was, so that a bug of ours can be found. Then it
 * ends the process by a call that the filter answers with death.
 *
 * A thread keeps the filter of the thread that makes it, so one thread makes all others
 * (vmm/walls/starter.c).
 */
static const char *const kind_names[THREAD_KINDS] = {
	[THREAD_MAIN] = "main",
	[THREAD_STARTER] = "starter",
	[THREAD_VCPU] = "vcpu",
	[THREAD_WORKER] = "worker",
	[THREAD_OUTBOX] = "outbox",
	[THREAD_DISK] = "disk",
};

static const struct wall_filter *filters;
static _Thread_local enum thread_kind own_kind;

/* Of ioctl and fcntl the second argument is what the thread asks for. */
static uint64_t second_argument(const ucontext_t *u)
{
#if defined(__x86_64__)
	return (uint64_t)u->uc_mcontext.gregs[REG_RSI];
#else
	(void)u;
	return 0;
#endif
}

/* Every thread writes to report a refused call, and returns from signals. */
WALL_CALL(every, write);
WALL_CALL(every, rt_sigreturn);

static void on_refused(int number, siginfo_t *info, void *context)
{
	char line[160];

	(void)number;
	int len = snprintf(line, sizeof(line),
		"error: usher-vmm: a %s thread made system call %d (0x%x, second argument "
		"0x%" PRIx64 "), which its filter refuses\n",
		kind_names[own_kind], info->si_syscall, info->si_arch, second_argument(context));
	if (write(STDERR_FILENO, line, (size_t)len) < 0)
		len = 0; /* the process ends without the message, too */
	(void)syscall(WALL_LAST_CALL);
	__builtin_trap();
}

int filter_use(const struct wall_filter *table)
{
	const struct sigaction action = {
		.sa_sigaction = on_refused, .sa_flags = SA_SIGINFO | SA_NODEFER};

	if (sigaction(SIGSYS, &action, NULL) < 0)
		return -errno;
	filters = table;
	return 0;
}

WALL_CALL(starter, seccomp, SECCOMP_SET_MODE_FILTER);

int filter_enter(enum thread_kind kind)
{
	own_kind = kind;
	if (!filters)
		return 0;
	const struct sock_fprog program = {
		.len = (uint16_t)filters[kind].count,
		.filter = (struct sock_filter *)(uintptr_t)filters[kind].code,
	};
	/* Without the flag, kernels before 5.16 slow the process down against Spectre. */
	long r = syscall(
		SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program);
	return r < 0 ? -errno : 0;
}
