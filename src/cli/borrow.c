/* SPDX-License-Identifier: MIT */
#include "cli/borrow.h"

#include "base/err.h"
#include "base/fd.h"
#include "base/signals.h"
#include "bind/owner.h"
#include "cli/loan.h"
#include "cli/report.h"
#include "cli/verb.h"
#include "engine/follow.h"
#include "host/host.h"
#include "lease/borrow.h"
#include "lease/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * How it works
 *
 * The command's process exists before the lease does, because the keeper has to know its borrower;
 * it waits at a pipe until the keeper has the devices, fetches the descriptors by itself, and
 * becomes the command. This process follows the keeper and prints. It is not needed: if it is
 * killed, the command goes on, and the keeper returns the devices after it.
 */
struct borrowing {
	struct borrow *b;
	int watch_fd; /* our end of the socket to the keeper */
	int go_fd; /* a byte for the command's process lets it begin; -1: none */
	pid_t command;
	pid_t keeper;
	bool started;
	bool refused;
	bool stuck;
	int failed; /* -errno of the keeper */
};

static pid_t command_pid;

static void signal_forward(int number)
{
	if (command_pid > 0)
		(void)kill(command_pid, number);
}

void borrow_forward_signals(pid_t pid)
{
	const struct sigaction forward = {.sa_handler = signal_forward};
	const struct sigaction ignore = {.sa_handler = SIG_IGN};

	command_pid = pid;
	(void)sigaction(SIGINT, &ignore, NULL);
	(void)sigaction(SIGQUIT, &ignore, NULL);
	(void)sigaction(SIGTERM, &forward, NULL);
	(void)sigaction(SIGHUP, &forward, NULL);
}

int borrow_exec(const struct borrowed *b, char *const *command, struct err *e)
{
	int r = borrowed_inherit(b);

	if (r < 0)
		return err_set(e, r, "hand over the descriptors");
	(void)execvp(command[0], command);
	return err_set(e, -errno, "run %s", command[0]);
}

int borrow_become(const char *run_dir, const char *name, char *const *command)
{
	struct borrowed b;
	struct err e = {0};

	if (borrow_descriptors(run_dir, name, &b, &e) == 0)
		(void)borrow_exec(&b, command, &e);
	report(&e);
	borrowed_close(&b);
	return LOAN_OURS;
}

__attribute__((noreturn)) static void command_main(const struct borrow *b, int go_fd)
{
	char go;

	if (read(go_fd, &go, 1) != 1)
		_exit(LOAN_OURS);
	(void)close(go_fd);
	_exit(borrow_become(b->lease.env.state, b->lease.spec->name, b->command));
}

static int command_start(struct borrowing *w)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	w->command = fork();
	if (w->command == 0) {
		(void)close(ends[1]);
		command_main(w->b, ends[0]);
	}
	(void)close(ends[0]);
	w->go_fd = ends[1];
	if (w->command < 0)
		return -errno;
	borrow_forward_signals(w->command);
	w->b->lease.owner = w->command;
	return bind_owner_start(host_live(), w->command, &w->b->lease.owner_start);
}

/* Nothing of the caller stays open in a process that may live for days. */
__attribute__((noreturn)) static void keeper_main(const struct lease *l, int watch_fd)
{
	int nothing = open("/dev/null", O_RDWR);

	(void)setsid();
	for (int fd = 0; nothing >= 0 && fd <= STDERR_FILENO; fd++)
		(void)dup2(nothing, fd);
	int kept = dup2(watch_fd, STDERR_FILENO + 1);
	(void)close_range(STDERR_FILENO + 2, ~0U, 0);
	(void)fcntl(kept, F_SETFD, FD_CLOEXEC);
	/* It keeps no file system from being unmounted. */
	if (chdir("/") < 0)
		_exit(LOAN_OURS);
	_exit(lease_keep(l, kept) < 0 ? LOAN_OURS : 0);
}

static int keeper_start(struct borrowing *w)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	(void)fflush(NULL);
	w->keeper = fork();
	if (w->keeper == 0)
		keeper_main(&w->b->lease, ends[1]);
	(void)close(ends[1]);
	w->watch_fd = ends[0];
	return w->keeper < 0 ? -errno : 0;
}

/* struct keeper.tell, here. */
static void news_take(void *arg, const struct keeper_news *n)
{
	struct borrowing *w = arg;

	if (n->event == KEEPER_PLANNED)
		w->refused = n->plan->refusals != 0;
	if (n->event == KEEPER_FAILED)
		w->failed = n->error->code;
	w->stuck = w->stuck || n->event == KEEPER_STUCK;
	w->b->tell(w->b->arg, n);
	if (n->event != KEEPER_STARTED)
		return;
	w->started = true;
	if (w->go_fd >= 0)
		(void)fd_write_full(w->go_fd, "g", 1);
	else
		(void)shutdown(w->watch_fd, SHUT_RDWR);
}

static int child_reap(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Return: as borrow_run(). */
static int outcome_of(struct borrowing *w)
{
	int status = 0;

	fd_close(&w->go_fd);
	if (w->command > 0)
		status = child_reap(w->command);
	if (w->started)
		return w->stuck ? LOAN_OURS : status;
	(void)child_reap(w->keeper);
	if (w->refused)
		return LEAVE_REFUSED;
	return w->failed == -EBUSY ? -EBUSY : LOAN_OURS;
}

int borrow_run(struct borrow *b)
{
	struct borrowing w = {.b = b, .watch_fd = -1, .go_fd = -1};
	struct err e = {0};

	int r = b->command ? command_start(&w) : 0;
	if (r == 0)
		r = keeper_start(&w);
	if (r < 0) {
		(void)err_set(&e, r, "start the keeper of the lease");
		report(&e);
		fd_close(&w.go_fd);
		return LOAN_OURS;
	}
	(void)follow_keeper(w.watch_fd, news_take, &w);
	(void)close(w.watch_fd);
	return outcome_of(&w);
}
