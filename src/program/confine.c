/* SPDX-License-Identifier: MIT */
#include "program/confine.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/num.h"
#include "base/rights.h"
#include "base/seccomp.h"
#include "program/root.h"

#include <errno.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * How it works
 *
 * Invariant: when the keeper sees this process end, no process of the program is left. The kernel
 * guarantees that for the first process of a PID namespace, so confine_enter() makes this process
 * the first, and the program its child.
 *
 *	keeper ── clone(confine_clone()) ── first process (watch_program) ── fork() ── the program
 *
 * The order of steps is forced:
 *
 *	mounts_enter()   first, because it needs the keeper's rights; and /proc shows the namespace
 *	                 of the process that mounts it
 *	drop_rights()
 *	refuse_calls()   an ordinary user may, once no_new_privs is set
 *	catch_signals()  before the fork, so that no SIGCHLD is lost
 *	fork()           the child returns and executes; the parent closes all devices and waits
 *
 * The first process ends at once when @alive_fd reports end of file: the keeper is gone. It exits
 * with the program's status, which the keeper reads as its own child's.
 */

/*
 * The first process of a namespace inherits every orphan of it. Return: true if @child has ended.
 */
static bool reap_orphans(pid_t child, int *ret_status)
{
	bool ended = false;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != child || !(WIFEXITED(status) || WIFSIGNALED(status)))
			continue;
		*ret_status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
		ended = true;
	}
	return ended;
}

/*
 * The first process of the namespace: forwards signals, reaps, and exits with the program's status,
 * or at once when the keeper is gone. It holds no descriptor of a device.
 */
__attribute__((noreturn)) static void watch_program(pid_t child, int signals, int alive)
{
	struct signalfd_siginfo info;
	int status = 0;

	for (;;) {
		struct pollfd fds[] = {
			{.fd = signals, .events = POLLIN},
			{.fd = alive, .events = POLLIN},
		};
		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[1].revents)
			_exit(128 + SIGKILL);
		if (!fds[0].revents || read(signals, &info, sizeof(info)) != sizeof(info))
			continue;
		if (info.ssi_signo != SIGCHLD)
			(void)kill(child, (int)info.ssi_signo);
		else if (reap_orphans(child, &status))
			_exit(status);
	}
}

/* Reads all signals: the kernel drops those of a namespace's first process that have no handler. */
static int catch_signals(void)
{
	sigset_t all;

	(void)sigfillset(&all);
	if (sigprocmask(SIG_BLOCK, &all, NULL) < 0)
		return -errno;
	int fd = signalfd(-1, &all, SFD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Closes all descriptors but 0 to 2 and these two: the devices belong to the program. */
static void close_others(int signals, int alive)
{
	int low = signals < alive ? signals : alive, high = signals < alive ? alive : signals;

	(void)close_range(3, (unsigned)low - 1, 0);
	if (high - low > 1)
		(void)close_range((unsigned)low + 1, (unsigned)high - 1, 0);
	(void)close_range((unsigned)high + 1, ~0U, 0);
}

uint64_t confine_clone(const struct confine *c)
{
	uint64_t flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC;

	if (c->no_network)
		flags |= CLONE_NEWNET;
	return c->own_users ? flags | CLONE_NEWUSER : flags;
}

/* In its user namespace the program is who it was, and nobody else. */
static int users_map(const struct confine *c)
{
	char text[64];

	int r = file_write("/proc/self/setgroups", "deny");
	(void)snprintf(text, sizeof(text), "%u %u 1", (unsigned)c->gid, (unsigned)c->gid);
	if (r == 0)
		r = file_write("/proc/self/gid_map", text);
	(void)snprintf(text, sizeof(text), "%u %u 1", (unsigned)c->uid, (unsigned)c->uid);
	return r == 0 ? file_write("/proc/self/uid_map", text) : r;
}

/* The bounding set first, for that needs CAP_SETPCAP; capabilities last. */
static int drop_rights(const struct confine *c)
{
	if (c->any_owner)
		return rights_reduce(c->uid, c->gid, CAP_DAC_OVERRIDE);

	int r = rights_unbound();
	if (r == 0 && !c->own_users)
		r = rights_become(c->uid, c->gid);
	return r == 0 ? rights_drop() : r;
}

/* Nothing of what it has open leads out, and it opens nothing that has no path. */
static int refuse_calls(const struct confine *c)
{
	static const struct refusal list[] = {
		REFUSE_USER_NAMESPACES,
		{SYS_socket, 359, REFUSE_ALWAYS, 0, EACCES},
		{SYS_socket, 102, REFUSE_ALWAYS, 0, EACCES}, /* socketcall */
		{SYS_io_uring_setup, 425, REFUSE_ALWAYS, 0, ENOSYS}, /* it makes sockets as well */
		{SYS_open_by_handle_at, 342, REFUSE_ALWAYS, 0, EPERM},
		{SYS_keyctl, 288, REFUSE_ALWAYS, 0, EPERM},
		{SYS_add_key, 286, REFUSE_ALWAYS, 0, EPERM},
		{SYS_request_key, 287, REFUSE_ALWAYS, 0, EPERM},
		{SYS_ptrace, 26, REFUSE_ALWAYS, 0, EPERM},
		{SYS_bpf, 357, REFUSE_ALWAYS, 0, EPERM},
		{SYS_perf_event_open, 336, REFUSE_ALWAYS, 0, EPERM},
		{SYS_userfaultfd, 374, REFUSE_ALWAYS, 0, EPERM},
	};
	static const struct refusal first[] = {REFUSE_USER_NAMESPACES};

	return c->root ? seccomp_refuse(list, COUNT(list)) : seccomp_refuse(first, COUNT(first));
}

/* Return: 0; -errno with *@ret_step. */
static int walls_raise(const struct confine *c, const char **ret_step)
{
	*ret_step = "make its user namespace";
	int r = c->own_users ? users_map(c) : 0;
	if (r < 0)
		return r;
	r = c->root ? root_enter(c->root, c->uid, ret_step)
		    : mounts_enter(c->read_only, c->uid, &c->nodes, ret_step);
	if (r < 0)
		return r;
	*ret_step = "become its user";
	r = drop_rights(c);
	if (r < 0)
		return r;
	*ret_step = "refuse system calls";
	(void)umask(022);
	return refuse_calls(c);
}

/* Of the program alone. */
static int limits_set(const struct confine *c)
{
	const struct {
		int which;
		rlim_t most;
	} limits[] = {
		{RLIMIT_AS, c->limits.memory},
		{RLIMIT_FSIZE, c->limits.file},
		{RLIMIT_CPU, c->limits.seconds},
	};

	for (size_t i = 0; i < COUNT(limits); i++) {
		const struct rlimit l = {limits[i].most, limits[i].most};
		if (l.rlim_max && setrlimit((__rlimit_resource_t)limits[i].which, &l) < 0)
			return -errno;
	}
	return 0;
}

int confine_enter(const struct confine *c, int report, const char **ret_step)
{
	(void)report; /* closed with the others */
	int r = walls_raise(c, ret_step);
	if (r < 0)
		return r;
	*ret_step = "watch it";
	int signals = catch_signals();
	if (signals < 0)
		return signals;
	pid_t child = fork();
	if (child < 0)
		return -errno;
	if (child == 0) {
		/* Still in the foreground group of the terminal: setsid() comes later. */
		(void)close(signals);
		*ret_step = "limit it";
		return limits_set(c);
	}
	close_others(signals, c->alive_fd);
	watch_program(child, signals, c->alive_fd);
}
