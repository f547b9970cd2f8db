/* SPDX-License-Identifier: MIT */
#include "engine/process.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/signals.h"
#include "engine/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
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
 *	child   die signal, RLIMIT_MEMLOCK, confinement, descriptors, environment, signals, execvp
 *
 * The child inherits only descriptors 0 to 2 and those of program_fd(): all others close on exec.
 * Their close-on-exec flag is cleared in the child, so that another program that this process
 * starts does not inherit them. execvp(3) reports EACCES without a name, so the child looks for the
 * folder itself: only the child has the user's rights.
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

void program_arg(struct program *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	const char *word = text_add(p, fmt, ap);
	va_end(ap);
	if (word)
		program_word(p, word);
}

void program_env(struct program *p, const char *fmt, ...)
{
	va_list ap;

	if (p->env_count == PROCESS_ENV_MAX) {
		p->error = -E2BIG;
		return;
	}
	va_start(ap, fmt);
	char *word = text_add(p, fmt, ap);
	va_end(ap);
	if (word)
		p->env[p->env_count++] = word;
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
	int code; /* errno */
	uint32_t barred; /* [bytes] of the path, up to the folder without access; 0: none */
	uint32_t passed; /* folders of PATH that it may not enter */
};

__attribute__((noreturn)) static void report_and_exit(int report, struct failure f)
{
	(void)fd_write_full(report, &f, sizeof(f));
	_exit(127);
}

/*
 * execve(2) fails with EACCES if the user may not enter a folder of the path, but does not say
 * which folder. This runs in the child, whose rights count. Return: as failure.barred.
 */
static uint32_t barred_folder(const char *path)
{
	char folder[4096];

	for (size_t i = 0; path[i] && i < sizeof(folder); folder[i] = path[i], i++) {
		if (path[i] != '/' || i == 0)
			continue;
		folder[i] = '\0';
		if (access(folder, X_OK) < 0)
			return errno == EACCES ? (uint32_t)i : 0;
	}
	return 0;
}

/*
 * execvp(3) also fails with EACCES for a name that no folder of PATH has, if the user may not enter
 * one of them. Return: how many such folders; 0 if a file of that name exists.
 */
static uint32_t folders_passed(const char *name)
{
	const char *at = getenv("PATH");
	char path[4096];
	uint32_t passed = 0;

	while (at && *at) {
		int len = (int)strcspn(at, ":");
		(void)snprintf(path, sizeof(path), "%.*s/%s", len, at, name);
		if (access(path, F_OK) == 0)
			return 0;
		passed += errno == EACCES;
		at += len;
		at += *at == ':';
	}
	return passed;
}

static struct failure failure_explain(const char *name, int code)
{
	struct failure f = {.code = code};

	if (code != EACCES)
		return f;
	if (strchr(name, '/'))
		f.barred = barred_folder(name);
	else
		f.passed = folders_passed(name);
	return f;
}

/*
 * A session of its own keeps the program from typing into our terminal (TIOCSTI). The keeper
 * forwards the terminal's signals.
 */
static void confine_child(const struct program *p, int report)
{
	int r = confine_enter(p->confine, report);

	if (r < 0)
		report_and_exit(report, (struct failure){.code = -r});
	(void)setsid();
}

/* The kernel keeps ignored and blocked signals over an exec: the program starts with neither. */
static void reset_signals(void)
{
	sigset_t ignored, none;

	signals_of_writes(&ignored);
	for (int number = 1; number < NSIG; number++)
		if (sigismember(&ignored, number) == 1)
			(void)signal(number, SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* In the child: only calls that are safe between fork and exec. */
static void child_execute(const struct program *p, pid_t parent, int report)
{
	if (p->die_signal) {
		(void)prctl(PR_SET_PDEATHSIG, p->die_signal);
		if (getppid() != parent)
			_exit(127); /* we died before the line above */
	}
	set_memlock(p->memlock, p->confine);
	if (p->confine)
		confine_child(p, report);
	for (size_t i = 0; i < p->fd_count; i++)
		(void)fd_set_cloexec(p->fds[i], 0);
	for (size_t i = 0; i < p->env_count; i++)
		(void)putenv(p->env[i]);
	reset_signals();
	(void)execvp(p->argv[0], p->argv);
	report_and_exit(report, failure_explain(p->argv[0], errno));
}

/* Like fork(); a confined program also gets its namespaces. */
static pid_t child_fork(const struct program *p)
{
	if (!p->confine)
		return fork();
	return (pid_t)syscall(SYS_clone, CONFINE_CLONE | SIGCHLD, 0, 0, 0, 0);
}

static int failure_report(const struct program *p, const struct failure *f, struct err *e)
{
	uid_t uid = p->confine ? p->confine->uid : geteuid();

	if (f->passed) {
		(void)err_say(e, -ENOENT, "start %s: no such program in PATH", p->argv[0]);
		err_hint(e, "give its full path; user %u may not enter %u folder%s of PATH",
			(unsigned)uid, f->passed, f->passed == 1 ? "" : "s");
		return -ENOENT;
	}
	if (!f->barred)
		return err_set(e, -f->code, "start %s", p->argv[0]);
	int r = err_say(e, -f->code, "start %s: user %u may not enter %.*s", p->argv[0],
		(unsigned)uid, (int)f->barred, p->argv[0]);
	err_hint(e, "put the program where user %u has access, such as /usr/local/bin",
		(unsigned)uid);
	return r;
}

int process_start(const struct program *p, struct process *ret, struct err *e)
{
	int pipe_fds[2];
	pid_t self = getpid();
	struct failure why;

	if (p->error)
		return err_set(e, p->error, "start %s", p->argv[0]);
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return err_set(e, -errno, "start %s", p->argv[0]);
	cleanup_fd int in = pipe_fds[0];
	cleanup_fd int out = pipe_fds[1];
	pid_t pid = child_fork(p);
	if (pid < 0)
		return err_set(e, -errno, "start %s", p->argv[0]);
	if (pid == 0)
		child_execute(p, self, out);
	fd_close(&out);
	/* The pipe closes on exec: end of file means that the program runs. */
	if (fd_read_full(in, &why, sizeof(why)) == 0) {
		(void)waitpid(pid, NULL, 0);
		return failure_report(p, &why, e);
	}
	int pidfd = fd_pidfd_open(pid);
	if (pidfd < 0) {
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		return err_set(e, pidfd, "watch %s", p->argv[0]);
	}
	*ret = (struct process){.pid = pid, .pidfd = pidfd};
	return 0;
}

int process_reap(struct process *p)
{
	int status = 0;

	while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR)
		;
	fd_close(&p->pidfd);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
