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

/* Keeps the first failure. */
static void part_note(int r, const char *what, int *worst, struct err *e)
{
	if (r < 0 && *worst == 0)
		*worst = err_set(e, r, "%s", what);
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

	if (!w->uid)
		return 0;
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

static void rights_lose(const struct wall *w, int *worst, struct err *e)
{
	(void)rights_unbound(); /* of a user without rights there is nothing to empty */
	part_note(user_become(w), "become a user of its own", worst, e);
	part_note(rights_drop(), "drop its capabilities", worst, e);
}

/* The starter is there before this thread may make no other. */
static int calls_filter(const struct wall *w)
{
	if (!w->filters)
		return seccomp_refuse(refusals, COUNT(refusals));
	thread_prepare();
	int r = filter_use(w->filters);
	if (r == 0)
		r = starter_start();
	return r < 0 ? r : filter_enter(THREAD_MAIN);
}

/* Before the rights that this needs are dropped. */
static void namespaces_enter(const struct wall *w, int *worst, struct err *e)
{
	int r = needs_capabilities(w) ? 0 : namespace_enter_user();

	if (r < 0) {
		part_note(r, "enter a user namespace", worst, e);
		return;
	}
	if (w->own_pids && !pidspace_is_first())
		part_note(-EPERM, "leave the host's processes", worst, e);
	part_note(namespace_enter_network(), "leave the host's network", worst, e);
	part_note(namespace_enter_ipc(), "leave the host's IPC", worst, e);
	part_note(namespace_enter_names(), "leave the host's names", worst, e);
	part_note(namespace_enter_empty_root(), "enter an empty root", worst, e);
}

int wall_raise(const struct wall *w, struct err *e)
{
	const int death = death_signal();
	const pid_t parent = getppid();
	int worst = 0;

	if (w->is_empty && !IS_SANITIZED)
		namespaces_enter(w, &worst, e);
	if (needs_capabilities(w))
		part_note(-EPERM, "lock guest memory without capabilities", &worst, e);
	else
		rights_lose(w, &worst, e);
	death_signal_renew(w, death, parent);
	if (IS_SANITIZED) {
		(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
		return worst;
	}
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	part_note(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0, "forgo new rights",
		&worst, e);
	if (w->is_empty)
		part_note(namespace_bar_paths(), "bar all paths", &worst, e);
	part_note(calls_filter(w), "filter system calls", &worst, e);
	return worst;
}
