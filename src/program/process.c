/* SPDX-License-Identifier: MIT */
#include "program/process.h"

#include "base/clean.h"
#include "base/clone.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/pidspace.h"
#include "base/signals.h"
#include "program/cgroup.h"
#include "program/command.h"
#include "program/confine.h"
#include "program/namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/keyctl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * How it works
 *
 * Invariant: process_start() succeeds only if the program executes. The child holds one end of a
 * pipe that closes on exec: end of file means success, and a struct failure says what went wrong.
 *
 *	parent  pipe, fork (a confined program: clone with its namespaces), read the pipe, pidfd
 *	child   die signal, cgroup, RLIMIT_MEMLOCK, confinement, session, descriptors, signals,
 *	        execvpe
 *
 * Nothing of the caller reaches the program: it has a session and a session keyring of its own, the
 * environment of program_env() and program_keep(), and only descriptors 0 to 2 and those of
 * program_fd(). All others close on exec. The flag of the program's own is cleared in the child, so
 * that another program that this process starts does not inherit them.
 *
 * The first process of a PID namespace sees no parent, and the kernel drops signals that it neither
 * blocks nor handles. So such a program starts with those blocked that ask for its end.
 */
void program_word(struct program *p, const char *word)
{
	union {
		const char *in;
		char *out; /* execvp() takes char *, and writes none of it */
	} u = {.in = word};

	if (p->argc == PROCESS_ARGS_MAX)
		p->error = -E2BIG;
	else
		p->argv[p->argc++] = u.out;
}

/* Formats into @p->text. Return: NULL when there is no room. */
__attribute__((format(printf, 2, 0))) static char *text_add(
	struct program *p, const char *fmt, va_list ap)
{
	size_t room = sizeof(p->text) - p->used;
	char *word = p->text + p->used;
	int n = vsnprintf(word, room, fmt, ap);

	if (n < 0 || (size_t)n >= room) {
		p->error = -E2BIG;
		return NULL;
	}
	p->used += (size_t)n + 1;
	return word;
}

int program_check(const struct program *p, struct err *e)
{
	if (!p->error)
		return 0;
	if (p->argc == PROCESS_ARGS_MAX)
		return err_say(
			e, p->error, "the program would get more than %d words", PROCESS_ARGS_MAX);
	if (p->env_count == PROCESS_ENV_MAX)
		return err_say(e, p->error, "the program would get more than %d variables",
			PROCESS_ENV_MAX);
	return err_say(
		e, p->error, "variables and devices need more than %zu bytes", sizeof(p->text));
}

void program_arg(struct program *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	const char *word = text_add(p, fmt, ap);
	va_end(ap);
	if (word)
		program_word(p, word);
}

/* A later variable replaces an earlier one of its name. */
static void env_put(struct program *p, char *word)
{
	size_t name = strcspn(word, "=") + 1, i = 0;

	while (i < p->env_count && strncmp(p->env[i], word, name) != 0)
		i++;
	if (i == PROCESS_ENV_MAX) {
		p->error = -E2BIG;
		return;
	}
	p->env[i] = word;
	p->env_count += i == p->env_count;
}

void program_env(struct program *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	char *word = text_add(p, fmt, ap);
	va_end(ap);
	if (word)
		env_put(p, word);
}

void program_keep(struct program *p, const char *name)
{
	const char *value = getenv(name);

	if (value)
		program_env(p, "%s=%s", name, value);
}

void program_dir(struct program *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	p->dir = text_add(p, fmt, ap);
	va_end(ap);
}

void program_fd(struct program *p, int fd)
{
	if (p->fd_count == PROCESS_FDS_MAX)
		p->error = -E2BIG;
	else
		p->fds[p->fd_count++] = fd;
}

/* @need is a minimum; for a confined program it is the limit itself. */
static void set_memlock(uint64_t need, const struct confine *confine)
{
	struct rlimit l = {.rlim_cur = need, .rlim_max = need};

	if (confine) {
		(void)setrlimit(RLIMIT_MEMLOCK, &l);
		return;
	}
	if (!need || getrlimit(RLIMIT_MEMLOCK, &l) < 0 || l.rlim_cur >= need)
		return;
	if (l.rlim_max < need)
		l.rlim_max = need;
	l.rlim_cur = need;
	/* If the kernel refuses this, the first DMA mapping fails, and its error has the size. */
	(void)setrlimit(RLIMIT_MEMLOCK, &l);
}

/* Why the program does not run. The child sends it over a pipe. */
struct failure {
	struct command command;
	char step[64]; /* of its confinement; "": to execute it */
};

__attribute__((noreturn)) static void report_and_exit(int report, struct failure f)
{
	(void)fd_write_full(report, &f, sizeof(f));
	_exit(127);
}

static struct failure failure_explain(const char *name, int code)
{
	struct failure f = {.command = {.code = -code}};

	if (code == EACCES)
		f.command = command_seek(name, NULL);
	/* It was there when we looked: what the kernel said counts. */
	if (!f.command.code)
		f.command.code = -code;
	return f;
}

/* First of all, because it needs our rights: "0" is the process that writes. */
static void join_cgroup(const struct program *p, bool inside, int report)
{
	int fd = p->cgroup ? p->cgroup->procs_fd : -1;
	int r = fd < 0 || inside ? 0 : fd_write_full(fd, "0", 1);

	if (r < 0)
		report_and_exit(
			report, (struct failure){.command.code = r, .step = "join its cgroup"});
}

static void confine_child(const struct program *p, int report)
{
	struct failure f = {0};
	const char *step = "";

	f.command.code = confine_enter(p->confine, report, &step);
	if (f.command.code == 0)
		return;
	(void)snprintf(f.step, sizeof(f.step), "%s", step);
	report_and_exit(report, f);
}

/*
 * Whatever the caller has open without close-on-exec, such as a shell's "8<>/dev/mem", stays here.
 * Before Linux 5.11 close_range(2) does not know the flag.
 */
static void descriptors_bar(const struct program *p)
{
	struct rlimit l = {.rlim_cur = 1024};

	if (close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0) {
		(void)getrlimit(RLIMIT_NOFILE, &l);
		for (int fd = 3; fd < (int)min_u64(l.rlim_cur, 1 << 20); fd++)
			(void)fd_set_cloexec(fd, 1);
	}
	for (size_t i = 0; i < p->fd_count; i++)
		(void)fd_set_cloexec(p->fds[i], 0);
}

/*
 * A session of its own keeps the program from typing into our terminal (TIOCSTI); the keeper
 * forwards the terminal's signals. A session keyring of its own keeps it from the caller's keys: a
 * kernel without keys has none to keep. @background: the terminal is not ours to read, and the
 * kernel would no longer stop the program from doing so.
 */
static int session_leave(const struct program *p, bool background)
{
	if (!p->in_session)
		(void)setsid();
	(void)syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
	if (background && !p->in_session) {
		int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
		(void)dup2(nothing, STDIN_FILENO);
	}
	/* The folder may be one that only the caller enters. */
	return p->dir && chdir(p->dir) < 0 && chdir("/") < 0 ? -errno : 0;
}

/* The kernel keeps ignored and blocked signals over an exec: the program starts with neither. */
static void reset_signals(const struct program *p)
{
	sigset_t ignored, blocked;

	signals_of_writes(&ignored);
	for (int number = 1; number < NSIG; number++)
		if (sigismember(&ignored, number) == 1)
			(void)signal(number, SIG_DFL);
	(void)sigemptyset(&blocked);
	if (p->own_pids && pidspace_is_first())
		signals_that_end(&blocked);
	(void)sigprocmask(SIG_SETMASK, &blocked, NULL);
}

/* Nobody reads the other end of the pipe: the parent has died. */
static bool is_orphan(int report)
{
	struct pollfd p = {.fd = report};

	return poll(&p, 1, 0) > 0 && (p.revents & POLLERR);
}

/* In the child: only calls that are safe between fork and exec. */
static void child_execute(const struct program *p, bool background, bool inside, int report)
{
	if (p->die_signal) {
		(void)prctl(PR_SET_PDEATHSIG, p->die_signal);
		if (is_orphan(report))
			_exit(127); /* we died before the line above */
	}
	join_cgroup(p, inside, report);
	const int entered = p->enter ? p->enter(p->enter_arg) : 0;
	if (entered < 0)
		report_and_exit(report,
			(struct failure){.command.code = entered, .step = "make its folders"});
	if (p->own_group && p->confine) /* else setsid(2) does it */
		(void)setpgid(0, 0);
	set_memlock(p->memlock, p->confine);
	if (p->confine)
		confine_child(p, report);
	int r = session_leave(p, background);
	if (r < 0)
		report_and_exit(report, (struct failure){.command.code = r, .step = "enter /"});
	if (p->stdin_fd)
		(void)dup2(p->stdin_fd, STDIN_FILENO);
	if (p->stdout_fd)
		(void)dup2(p->stdout_fd, STDOUT_FILENO);
	if (p->stderr_fd)
		(void)dup2(p->stderr_fd, STDERR_FILENO);
	descriptors_bar(p);
	reset_signals(p);
	(void)execvpe(p->file ? p->file : p->argv[0], p->argv, p->env);
	report_and_exit(report, failure_explain(p->argv[0], errno));
}

/*
 * The kernel refuses all namespaces for one of them: by EINVAL if it was built without that kind,
 * as a kernel without System V IPC is, and by ENOSPC if the host permits no more of it.
 */
static pid_t confined_fork(
	const struct confine *c, int cgroup, bool *ret_inside, uint64_t *ret_lacks)
{
	static const uint64_t spared[] = {0, CLONE_NEWIPC, CLONE_NEWNET, CONFINE_SPARES};
	const uint64_t wanted = confine_clone(c);
	pid_t pid = -1;

	for (size_t i = 0; i < COUNT(spared); i++) {
		if ((wanted & spared[i]) != spared[i])
			continue;
		*ret_lacks = spared[i];
		pid = clone_process(wanted & ~spared[i], cgroup, ret_inside);
		if (pid >= 0 || (errno != EINVAL && errno != ENOSPC))
			break;
	}
	return pid;
}

/*
 * Like fork(); a confined program also gets its namespaces, but for *@ret_lacks. @ret_inside:
 * whether it is in its cgroup.
 */
static pid_t child_fork(const struct program *p, bool *ret_inside, uint64_t *ret_lacks)
{
	const bool has_cgroup = p->cgroup && p->cgroup->procs_fd >= 0;
	cleanup_fd int cgroup =
		has_cgroup ? open(p->cgroup->dir, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;

	*ret_lacks = 0;
	if (p->confine)
		return confined_fork(p->confine, cgroup, ret_inside, ret_lacks);
	return p->own_pids ? pidspace_fork(cgroup, ret_inside)
			   : clone_process(0, cgroup, ret_inside);
}

/* The kernel's "Invalid argument" would name nothing. */
static int fork_report(const struct program *p, int r, struct err *e)
{
	const char *kind = NULL;

	if (p->confine && r == -EINVAL)
		kind = namespaces_missing(
			"/proc/self/ns", confine_clone(p->confine) & ~CONFINE_SPARES);
	if (!kind)
		return err_set(e, r, "start %s", p->argv[0]);
	return err_say(e, -EOPNOTSUPP,
		"start %s: this kernel has no %s namespaces, which confine it", p->argv[0], kind);
}

static int failure_report(const struct program *p, const struct failure *f, struct err *e)
{
	if (f->step[0])
		return err_set(e, f->command.code, "confine %s: %s", p->argv[0], f->step);
	return command_report(&f->command, p->argv[0], p->confine ? p->confine->uid : geteuid(), e);
}

static bool is_in_background(void)
{
	pid_t group = tcgetpgrp(STDIN_FILENO);

	return group >= 0 && group != getpgrp();
}

int process_begin(const struct program *p, struct process *ret, struct err *e)
{
	int pipe_fds[2];
	bool background = is_in_background();

	if (p->error)
		return err_set(e, p->error, "start %s", p->argv[0]);
	signals_keep_status();
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return err_set(e, -errno, "start %s", p->argv[0]);
	cleanup_fd int in = pipe_fds[0];
	cleanup_fd int out = pipe_fds[1];
	uint64_t lacks;
	bool inside;
	pid_t pid = child_fork(p, &inside, &lacks);
	if (pid < 0)
		return fork_report(p, -errno, e);
	if (pid == 0) {
		fd_close(&in);
		child_execute(p, background, inside, out);
	}
	int pidfd = fd_pidfd_open(pid);
	if (pidfd < 0) {
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		return err_set(e, pidfd, "watch %s", p->argv[0]);
	}
	*ret = (struct process){
		.pid = pid, .pidfd = pidfd, .report_fd = TAKE_FD(in), .lacks = lacks};
	return 0;
}

int process_confirm(const struct program *p, struct process *started, struct err *e)
{
	struct failure why;

	/* The pipe closes on exec: end of file means that the program runs. */
	if (fd_read_full(started->report_fd, &why, sizeof(why)) < 0) {
		fd_close(&started->report_fd);
		return 0;
	}
	process_discard(started);
	return failure_report(p, &why, e);
}

int process_start(const struct program *p, struct process *ret, struct err *e)
{
	int r = process_begin(p, ret, e);

	return r < 0 ? r : process_confirm(p, ret, e);
}

void process_discard(struct process *p)
{
	(void)kill(p->pid, SIGKILL);
	(void)process_reap(p);
	fd_close(&p->report_fd);
}

int process_reap(struct process *p)
{
	int status = 0;

	while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR)
		;
	fd_close(&p->pidfd);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
