/* SPDX-License-Identifier: MIT */
#include "engine/confine.h"

#include "base/fd.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
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
 *	keeper ── clone(CLONE_NEWPID) ── first process (watch_program) ── fork() ── the program
 *
 * The order of steps is forced:
 *
 *	join_cgroup()    first, because it needs the keeper's rights
 *	drop_rights()    the bounding set before the user ids (CAP_SETPCAP), capabilities last
 *	catch_signals()  before the fork, so that no SIGCHLD is lost
 *	fork()           the child returns and executes; the parent closes all devices and waits
 *
 * The first process ends at once when @alive_fd reports end of file: the keeper is gone. It exits
 * with the program's status, which the keeper reads as its own child's.
 */

/* Drops all capabilities for good: neither a file's capabilities nor set-user-ID bring any back. */
static int drop_capabilities(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return -errno;
	return syscall(SYS_capset, &head, none) < 0 ? -errno : 0;
}

/* Needs CAP_SETPCAP, so it comes first. The kernel's last capability is known only by trying. */
static int drop_bounding_set(void)
{
	for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return -errno;
	return 0;
}

static int drop_rights(const struct confine *c)
{
	int r = drop_bounding_set();

	if (r < 0)
		return r;
	if (setgroups(0, NULL) < 0 || setresgid(c->gid, c->gid, c->gid) < 0 ||
		setresuid(c->uid, c->uid, c->uid) < 0)
		return -errno;
	return drop_capabilities();
}

static int join_cgroup(const struct confine *c)
{
	/* "0" means the process that writes. */
	return c->cgroup_fd < 0 ? 0 : fd_write_full(c->cgroup_fd, "0", 1);
}

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

int confine_enter(const struct confine *c, int report, const char **ret_step)
{
	*ret_step = "become its user";
	int r = join_cgroup(c);

	(void)report; /* closed with the others */
	if (r == 0)
		r = drop_rights(c);
	if (r < 0)
		return r;
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
