/* SPDX-License-Identifier: MIT */
#include "vmm/walls/filter.h"

#include "vmm/walls/mark.h"
#include "wire/refused.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

/*
 * How it works
 *
 * Each kind of thread makes the system calls that it needs, and no other: an ioctl counts by its
 * request. The kernel answers any other call by SIGSYS before it runs any code of that call. Our
 * handler notes which call of which thread it was, on a page that the keeper reads, so that a bug
 * of ours can be found. Then it ends the process by a call that the filter answers with death.
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
static struct wire_refused *refused; /* the keeper's; NULL: there is none */
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

/* Every thread returns from signals, and without a keeper writes to report a refused call. */
WALL_CALL(every, rt_sigreturn);
/* After a stop, or the host's sleep, the kernel goes on with a wait by this call. */
WALL_CALL(every, restart_syscall);
WALL_CALL(every, write);

static void refusal_write(const struct wire_refused *r)
{
	char line[160];
	int len = snprintf(line, sizeof(line),
		"error: usher-vmm: a %s thread made system call %" PRIu32 " (0x%" PRIx32
		", second argument 0x%" PRIx64 "), which its filter refuses\n",
		r->thread, r->call, r->arch, r->argument);

	if (write(STDERR_FILENO, line, (size_t)len) < 0)
		return; /* the process ends without the message, too */
}

/* The first thread that gets here has the word. */
static void on_refused(int number, siginfo_t *info, void *context)
{
	struct wire_refused r = {.made = 1,
		.call = (uint32_t)info->si_syscall,
		.arch = info->si_arch,
		.argument = second_argument(context)};

	(void)number;
	(void)strncpy(r.thread, kind_names[own_kind], sizeof(r.thread) - 1);
	if (!refused)
		refusal_write(&r);
	else if (!__atomic_load_n(&refused->made, __ATOMIC_ACQUIRE))
		*refused = r;
	(void)syscall(WALL_LAST_CALL | (r.call & 0xffff));
	__builtin_trap();
}

/* Without the page, refused calls are written to standard error. */
static void refused_map(int fd)
{
	void *page =
		fd < 0 ? MAP_FAILED
		       : mmap(NULL, WIRE_REFUSED_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	refused = page == MAP_FAILED ? NULL : page;
}

int filter_use(const struct wall_filter *table, int refused_fd)
{
	const struct sigaction action = {
		.sa_sigaction = on_refused, .sa_flags = SA_SIGINFO | SA_NODEFER};

	refused_map(refused_fd);
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
