/* SPDX-License-Identifier: MIT */
#include "cli/service_command.h"

#include "base/err.h"
#include "base/fd.h"
#include "cli/borrow.h"
#include "cli/loan.h"
#include "cli/report.h"
#include "cli/service.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * How it works
 *
 * The child asks usherd, because the process that asks has the lease, and becomes the command. It
 * sends the name of the lease first, by which this process waits for the end.
 */
static int explain_lease(int code, struct err *e)
{
	if (code == -ENOTCONN)
		err_hint(e, "systemctl start usherd; or run 'sudo usher lease …'");
	report(e);
	return code == -EPERM ? LEAVE_REFUSED : LOAN_OURS;
}

__attribute__((noreturn)) static void child_main(
	const struct service_lease *asked, char *const *command, int name_fd)
{
	char name[SERVICE_NAME_MAX];
	struct borrowed b;
	struct err e = {0};

	int r = service_lease(asked, name, &b, &e);
	if (r < 0)
		_exit(explain_lease(r, &e));
	(void)fd_write_full(name_fd, name, strlen(name));
	(void)borrow_exec(&b, command, &e);
	report(&e);
	_exit(LOAN_OURS);
}

static int child_reap(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* The devices may stay where they are: usher says so, and fails. */
static int end_await(const char *name, int status)
{
	struct err e = {0};

	int r = service_await(name, &e);
	if (r < 0)
		report(&e);
	return r == -EUCLEAN ? LOAN_OURS : status;
}

int service_command(const struct service_lease *asked, char *const *command)
{
	char name[SERVICE_NAME_MAX] = "";
	struct err e = {0};
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0) {
		(void)err_set(&e, -errno, "start the command");
		report(&e);
		return LOAN_OURS;
	}
	(void)fflush(NULL);
	pid_t pid = fork();
	if (pid == 0)
		child_main(asked, command, ends[1]);
	(void)close(ends[1]);
	if (pid > 0)
		borrow_forward_signals(pid);
	ssize_t got = pid < 0 ? 0 : read(ends[0], name, sizeof(name) - 1);
	(void)close(ends[0]);
	const int status = pid < 0 ? LOAN_OURS : child_reap(pid);
	return got > 0 ? end_await(name, status) : status;
}
