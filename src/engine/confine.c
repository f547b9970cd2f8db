/* SPDX-License-Identifier: MIT */
#include "engine/confine.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/rights.h"
#include "base/seccomp.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
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
 *	keeper ── clone(CONFINE_CLONE) ── first process (watch_program) ── fork() ── the program
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

/* The bounding set first, for that needs CAP_SETPCAP; capabilities last. */
static int drop_rights(const struct confine *c)
{
	int r = rights_unbound();

	if (r == 0)
		r = rights_become(c->uid, c->gid);
	return r == 0 ? rights_drop() : r;
}

static int refuse_calls(void)
{
	static const struct refusal list[] = {REFUSE_USER_NAMESPACES};

	return seccomp_refuse(list, COUNT(list));
}

/* Return: 0; -errno with *@ret_step. */
static int walls_raise(const struct confine *c, const char **ret_step)
{
	int r = mounts_enter(c->read_only, c->uid, &c->nodes, ret_step);
	if (r < 0)
		return r;
	*ret_step = "become its user";
	r = drop_rights(c);
	if (r < 0)
		return r;
	*ret_step = "refuse user namespaces";
	(void)umask(022);
	return refuse_calls();
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
		return 0;
	}
	close_others(signals, c->alive_fd);
	watch_program(child, signals, c->alive_fd);
}
