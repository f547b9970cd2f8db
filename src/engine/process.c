/* SPDX-License-Identifier: MIT */
#include "engine/process.h"
#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int program_word(struct program *p, const char *word)
{
	union {
		const char *in;
		char *out; /* execvp() takes char *, and writes none of it */
	} u = {.in = word};

	if (p->argc == PROCESS_ARGS_MAX)
		return -E2BIG;
	p->argv[p->argc++] = u.out;
	return 0;
}

int program_arg(struct program *p, const char *fmt, ...)
{
	size_t room = sizeof(p->text) - p->used;
	char *word = p->text + p->used;
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(word, room, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= room)
		return -E2BIG;
	p->used += (size_t)n + 1;
	return program_word(p, word);
}

int program_fd(struct program *p, int fd)
{
	if (p->fd_count == PROCESS_FDS_MAX)
		return -E2BIG;
	p->fds[p->fd_count++] = fd;
	return 0;
}

static void raise_memlock(uint64_t need)
{
	struct rlimit l;

	if (!need || getrlimit(RLIMIT_MEMLOCK, &l) < 0 || l.rlim_cur >= need)
		return;
	if (l.rlim_max < need)
		l.rlim_max = need;
	l.rlim_cur = need;
	/* Without the right to raise it, MAP_DMA tells by -ENOMEM and how much was needed. */
	(void)setrlimit(RLIMIT_MEMLOCK, &l);
}

/* In the child: only calls that are safe between fork and exec. */
static void become(const struct program *p, pid_t parent, int report)
{
	sigset_t none;

	if (p->die_signal) {
		(void)prctl(PR_SET_PDEATHSIG, p->die_signal);
		if (getppid() != parent)
			_exit(127); /* we died before the line above */
	}
	for (size_t i = 0; i < p->fd_count; i++)
		(void)fd_set_cloexec(p->fds[i], 0);
	raise_memlock(p->memlock);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)execvp(p->argv[0], p->argv);
	int code = errno;
	(void)fd_write_full(report, &code, sizeof(code));
	_exit(127);
}

int process_start(const struct program *p, struct process *ret, struct err *e)
{
	int pipe_fds[2];
	pid_t self = getpid();
	int code;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return err_set(e, -errno, "start %s", p->argv[0]);
	cleanup_fd int in = pipe_fds[0];
	cleanup_fd int out = pipe_fds[1];
	pid_t pid = fork();
	if (pid < 0)
		return err_set(e, -errno, "start %s", p->argv[0]);
	if (pid == 0)
		become(p, self, out);
	fd_close(&out);
	/* The pipe closes on exec: end of file means that the program runs. */
	if (fd_read_full(in, &code, sizeof(code)) == 0) {
		(void)waitpid(pid, NULL, 0);
		return err_set(e, -code, "start %s", p->argv[0]);
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
