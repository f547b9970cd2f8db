/* SPDX-License-Identifier: MIT */
#include "vmm/wall.h"

#include "base/err.h"
#include "base/num.h"
#include "base/pidspace.h"
#include "base/rights.h"
#include "base/seccomp.h"
#include "vmm/walls/filter.h"
#include "vmm/walls/namespace.h"
#include "vmm/walls/starter.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define THREADS_MAX 1024 /* processors, workers and outboxes are fewer */

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define IS_SANITIZED 1 /* at its end the sanitizer traces this process, by another one */
#else
#define IS_SANITIZED 0
#endif

/* What this program never asks for. The first one is compared at each ioctl(), as KVM_RUN is. */
static const struct refusal refusals[] = {
	{SYS_ioctl, 54, REFUSE_SECOND, TIOCSTI, EPERM},
	{SYS_ioctl, 54, REFUSE_SECOND, TIOCLINUX, EPERM},
	{SYS_clone, 120, REFUSE_WITHOUT, CLONE_THREAD, EPERM},
	{SYS_clone3, 435, REFUSE_ALWAYS, 0, ENOSYS},
	{SYS_fork, 2, REFUSE_ALWAYS, 0, EPERM},
	{SYS_vfork, 190, REFUSE_ALWAYS, 0, EPERM},
	{SYS_execve, 11, REFUSE_ALWAYS, 0, EPERM},
	{SYS_execveat, 358, REFUSE_ALWAYS, 0, EPERM},
	{SYS_unshare, 310, REFUSE_ALWAYS, 0, EPERM},
	{SYS_setns, 346, REFUSE_ALWAYS, 0, EPERM},
	{SYS_socket, 359, REFUSE_ALWAYS, 0, EPERM},
	{-1, 102, REFUSE_ALWAYS, 0, EPERM}, /* socketcall */
	{SYS_ptrace, 26, REFUSE_ALWAYS, 0, EPERM},
	{SYS_process_vm_readv, 347, REFUSE_ALWAYS, 0, EPERM},
	{SYS_process_vm_writev, 348, REFUSE_ALWAYS, 0, EPERM},
	{SYS_add_key, 286, REFUSE_ALWAYS, 0, EPERM},
	{SYS_request_key, 287, REFUSE_ALWAYS, 0, EPERM},
	{SYS_keyctl, 288, REFUSE_ALWAYS, 0, EPERM},
	{SYS_bpf, 357, REFUSE_ALWAYS, 0, EPERM},
	{SYS_io_uring_setup, 425, REFUSE_ALWAYS, 0, EPERM},
};

static const struct {
	const char *name, *what;
} parts[WALL_PARTS] = {
	[WALL_PROCESSES] = {"processes", "leave the host's processes"},
	[WALL_NETWORK] = {"network", "leave the host's network"},
	[WALL_IPC] = {"ipc", "leave the host's IPC"},
	[WALL_NAMES] = {"names", "leave the host's names"},
	[WALL_FILES] = {"files", "enter an empty root"},
	[WALL_USER] = {"user", "become a user of its own"},
	[WALL_CAPABILITIES] = {"capabilities", "drop its capabilities"},
	[WALL_TRACE] = {"trace", "forbid to be traced"},
	[WALL_RIGHTS] = {"rights", "forgo new rights"},
	[WALL_PATHS] = {"paths", "bar all paths"},
	[WALL_CALLS] = {"calls", "filter system calls"},
};

static bool stands[WALL_PARTS];

const char *wall_name(enum wall_part p)
{
	return parts[p].name;
}

bool wall_stands(enum wall_part p)
{
	return stands[p];
}

/* What came of all of them, for one sentence. */
struct raising {
	struct err *e;
	int worst; /* the first failure */
};

static void part_fail(struct raising *g, const char *what, int r)
{
	const size_t len = g->e ? strlen(g->e->msg) : 0;

	if (g->worst && g->e)
		(void)snprintf(
			g->e->msg + len, sizeof(g->e->msg) - len, "; %s: %s", what, strerror(-r));
	if (!g->worst)
		g->worst = err_set(g->e, r, "%s", what);
}

static void part_note(struct raising *g, enum wall_part p, int r)
{
	stands[p] = r == 0;
	if (r < 0)
		part_fail(g, parts[p].what, r);
}

/* With CAP_IPC_LOCK alone the kernel locks as much as the limit does not permit. */
static bool needs_capabilities(const struct wall *w)
{
	struct rlimit l;

	return w->locked && getrlimit(RLIMIT_MEMLOCK, &l) == 0 && l.rlim_cur < w->locked;
}

static int user_become(const struct wall *w)
{
	const struct rlimit threads = {THREADS_MAX, THREADS_MAX};

	int r = rights_become(w->uid, w->uid);
	/* The limit counts all processes of the user, so it is for one with this process alone. */
	return r < 0 || setrlimit(RLIMIT_NPROC, &threads) == 0 ? r : -errno;
}

/* Return: the signal that the keeper's death sends, 0 none. */
static int death_signal(void)
{
	int number = 0;

	return prctl(PR_GET_PDEATHSIG, &number, 0, 0, 0) < 0 ? 0 : number;
}

/* The first process of a PID namespace sees no parent, but an end of file. */
static bool is_orphan(const struct wall *w, pid_t parent)
{
	struct pollfd p = {.fd = w->keeper_fd};

	return getppid() != parent || (poll(&p, 1, 0) > 0 && (p.revents & POLLHUP));
}

/* A keeper that died since @parent was asked for has sent nothing. */
static void death_signal_renew(const struct wall *w, int number, pid_t parent)
{
	if (!number)
		return;
	(void)prctl(PR_SET_PDEATHSIG, number, 0, 0, 0);
	if (is_orphan(w, parent))
		_exit(128 + number);
}

static void rights_lose(const struct wall *w, struct raising *g)
{
	(void)rights_unbound(); /* of a user without rights there is nothing to empty */
	if (w->uid)
		part_note(g, WALL_USER, user_become(w));
	part_note(g, WALL_CAPABILITIES, rights_drop());
}

/* The starter is there before this thread may make no other. */
static int calls_filter(const struct wall *w)
{
	if (!w->filters)
		return seccomp_refuse(refusals, COUNT(refusals));
	thread_prepare();
	int r = filter_use(w->filters, w->refused_fd);
	if (r == 0)
		r = starter_start();
	return r < 0 ? r : filter_enter(THREAD_MAIN);
}

/* Before the rights that this needs are dropped. */
static void namespaces_enter(const struct wall *w, struct raising *g)
{
	int r = needs_capabilities(w) ? 0 : namespace_enter_user();

	if (w->own_pids)
		part_note(g, WALL_PROCESSES, pidspace_is_first() ? 0 : -EPERM);
	/* The next four fail as well then, and the warning has to name them. */
	if (r < 0)
		part_fail(g, "enter a user namespace", r);
	part_note(g, WALL_NETWORK, namespace_enter_network());
	part_note(g, WALL_IPC, namespace_enter_ipc());
	part_note(g, WALL_NAMES, namespace_enter_names());
	part_note(g, WALL_FILES, namespace_enter_empty_root());
}

/* What is left when the process is the user that it stays. */
static void process_close(const struct wall *w, struct raising *g)
{
	part_note(g, WALL_TRACE, prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? -errno : 0);
	part_note(g, WALL_RIGHTS, prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0);
	if (w->is_empty)
		part_note(g, WALL_PATHS, namespace_bar_paths());
	part_note(g, WALL_CALLS, calls_filter(w));
}

int wall_raise(const struct wall *w, struct err *e)
{
	struct raising g = {.e = e};
	const int death = death_signal();
	const pid_t parent = getppid();

	if (w->is_empty && !IS_SANITIZED)
		namespaces_enter(w, &g);
	if (needs_capabilities(w))
		part_fail(&g, "lock guest memory without capabilities", -EPERM);
	else
		rights_lose(w, &g);
	death_signal_renew(w, death, parent);
	if (IS_SANITIZED)
		(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	else
		process_close(w, &g);
	return g.worst;
}
