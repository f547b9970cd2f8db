/* SPDX-License-Identifier: MIT */
#include "cli/detach.h"

#include "base/err.h"
#include "base/fd.h"
#include "base/signals.h"
#include "cli/loan.h"
#include "cli/report.h"
#include "engine/files.h"
#include "engine/follow.h"
#include "engine/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * How it works
 *
 * This process stays in the foreground until the guest has started, as one more client of the
 * keeper: it prints the plan and the reasons of a refusal where the person looks. The keeper is its
 * child in a session of its own, with /dev/null for the guest's console, and a pipe to itself for
 * messages: it is the one that reads that, into the log (engine/logbook).
 */
struct detachment {
	const struct keeper *k;
	int watch_fd; /* our end of the socket to the keeper */
	bool started;
};

static pid_t keeper_pid;

/* Ctrl-C before the start means the keeper, which is in another session. */
static void signal_forward(int number)
{
	if (keeper_pid > 0)
		(void)kill(keeper_pid, number);
}

static void signals_forward(void)
{
	const struct sigaction action = {.sa_handler = signal_forward};
	sigset_t ends;

	signals_that_end(&ends);
	for (int number = 1; number < NSIG; number++)
		if (sigismember(&ends, number) == 1)
			(void)sigaction(number, &action, NULL);
}

/* struct keeper.tell, here. */
static void print_until_start(void *arg, const struct keeper_news *n)
{
	struct detachment *d = arg;

	d->k->tell(d->k->arg, n);
	if (n->event != KEEPER_STARTED)
		return;
	d->started = true;
	(void)shutdown(d->watch_fd, SHUT_RDWR);
}

static int log_to_pipe(struct keeper *k)
{
	int ends[2];

	int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (nothing < 0 || pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	k->log_fd = ends[0];
	int r = dup2(nothing, STDIN_FILENO) < 0 || dup2(nothing, STDOUT_FILENO) < 0 ||
				dup2(ends[1], STDERR_FILENO) < 0
			? -errno
			: 0;
	(void)close(nothing);
	(void)close(ends[1]);
	return r;
}

__attribute__((noreturn)) static void keeper_main(
	struct keeper *k, int watch_fd, int (*leave)(const struct keeper *k))
{
	struct err e = {0};

	k->detached = k->outlives = true;
	k->watch_fd = watch_fd;
	(void)setsid();
	int r = log_to_pipe(k);
	if (r < 0) {
		(void)err_set(&e, r, "go into the background");
		report(&e);
		_exit(LOAN_OURS);
	}
	_exit(leave(k));
}

static int keeper_reap(void)
{
	int status = 0;

	while (waitpid(keeper_pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : LOAN_OURS;
}

int detach_run(struct keeper *k, int (*leave)(const struct keeper *k))
{
	struct detachment d = {.k = k};
	struct err e = {0};
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
		(void)err_set(&e, -errno, "go into the background");
		report(&e);
		return LOAN_OURS;
	}
	(void)fflush(NULL);
	keeper_pid = fork();
	if (keeper_pid == 0) {
		(void)close(ends[0]);
		keeper_main(k, ends[1], leave);
	}
	(void)close(ends[1]);
	files_leave(k->spec);
	if (keeper_pid < 0) {
		(void)err_set(&e, -errno, "go into the background");
		report(&e);
		(void)close(ends[0]);
		return LOAN_OURS;
	}
	signals_forward();
	d.watch_fd = ends[0];
	(void)follow_keeper(d.watch_fd, print_until_start, &d);
	(void)close(ends[0]);
	return d.started ? 0 : keeper_reap();
}
