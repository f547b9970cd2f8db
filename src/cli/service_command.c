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
 * The child asks usherd, because the process that asks has the lease, and does its job. It sends
 * the name of the lease first, by which this process waits for the end.
 */
static int explain_lease(int code, struct err *e)
{
	if (code == -ENOTCONN)
		err_hint(e, "systemctl start usherd; or run 'sudo usher lease …'");
	report(e);
	return code == -EPERM ? LEAVE_REFUSED : LOAN_OURS;
}

/* @name_fd: where the name of the lease goes; -1: nowhere. Return: exit status. */
static int lease_work(const struct service_lease *asked, const struct service_job *job, int name_fd)
{
	char name[SERVICE_NAME_MAX];
	struct borrowed b;
	struct err e = {0};

	int r = service_lease(asked, name, &b, &e);
	if (r < 0)
		return explain_lease(r, &e);
	if (name_fd >= 0) {
		(void)fd_write_full(name_fd, name, strlen(name));
		(void)close(name_fd);
	}
	return job->main(job->arg, &b);
}

__attribute__((noreturn)) static void child_main(
	const struct service_lease *asked, const struct service_job *job, int name_fd)
{
	const int status = lease_work(asked, job, name_fd);

	(void)fflush(NULL);
	_exit(status);
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

int service_job_run(const struct service_lease *asked, const struct service_job *job)
{
	char name[SERVICE_NAME_MAX] = "";
	struct err e = {0};
	int ends[2];

	if (job->is_alone)
		return lease_work(asked, job, -1);
	if (pipe2(ends, O_CLOEXEC) < 0) {
		(void)err_set(&e, -errno, "start the command");
		report(&e);
		return LOAN_OURS;
	}
	(void)fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		(void)close(ends[0]);
		child_main(asked, job, ends[1]);
	}
	(void)close(ends[1]);
	if (pid > 0)
		borrow_forward_signals(pid);
	ssize_t got = pid < 0 ? 0 : read(ends[0], name, sizeof(name) - 1);
	(void)close(ends[0]);
	const int status = pid < 0 ? LOAN_OURS : child_reap(pid);
	return got > 0 ? end_await(name, status) : status;
}

/* struct service_job.main */
static int command_become(void *arg, const struct borrowed *b)
{
	char *const *command = arg;
	struct err e = {0};

	(void)borrow_exec(b, command, &e);
	report(&e);
	return LOAN_OURS;
}

int service_command(const struct service_lease *asked, char *const *command)
{
	const struct service_job job = {.main = command_become, .arg = (void *)(uintptr_t)command};

	return service_job_run(asked, &job);
}
