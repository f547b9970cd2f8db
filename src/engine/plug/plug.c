/* SPDX-License-Identifier: MIT */
#include "engine/plug/plug.h"

#include "base/clean.h"
#include "base/fd.h"
#include "engine/plug/plug_job.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define ABORT_PATIENCE_MS 5000

_Static_assert(sizeof(struct plug_result) <= PIPE_BUF, "a result is written at once");

__attribute__((noreturn)) static void job_main(const struct plug_place *place, int mounts,
	const struct plug_wish *w, int out, pid_t keeper)
{
	static struct plug_result result;
	int kept[] = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, place->line_fd, mounts, out};

	(void)prctl(PR_SET_NAME, "usher-plug");
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != keeper)
		_exit(1);
	/* Nothing of the keeper lives as long as this: locks, sockets, the guest's lifeline. */
	fd_close_others(kept, sizeof(kept) / sizeof(kept[0]));
	plug_job_run(place, mounts, w, &result);
	_exit(fd_write_full(out, &result, sizeof(result)) < 0 ? 1 : 0);
}

/* The keeper has not reaped the program yet, so its number is not another's. */
static int mounts_open(const struct plug_place *p, struct err *e)
{
	char path[40];

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)p->pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? err_say(e, -ESRCH, "guest '%s' has ended", p->name) : fd;
}

int plug_begin(struct plug *p, const struct plug_wish *w, struct err *e)
{
	const pid_t keeper = getpid();
	cleanup_fd int mounts = -1;
	int ends[2];

	if (p->job > 0) {
		(void)err_say(e, -EBUSY, "devices of guest '%s' are being changed already",
			p->place.name);
		err_hint(e, "wait until that is done");
		return -EBUSY;
	}
	if (p->place.uid) {
		mounts = mounts_open(&p->place, e);
		if (mounts < 0)
			return mounts;
	}
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_set(e, -errno, "start a process that changes devices");
	cleanup_fd int in = ends[0];
	cleanup_fd int out = ends[1];
	pid_t pid = fork();
	if (pid == 0)
		job_main(&p->place, mounts, w, out, keeper);
	if (pid < 0)
		return err_set(e, -errno, "start a process that changes devices");
	p->job = pid;
	p->result_fd = TAKE_FD(in);
	return 0;
}

static void job_reap(struct plug *p)
{
	while (waitpid(p->job, NULL, 0) < 0 && errno == EINTR)
		;
	p->job = 0;
	fd_close(&p->result_fd);
}

void plug_finish(struct plug *p, struct plug_result *ret)
{
	*ret = (struct plug_result){0};
	if (fd_read_full(p->result_fd, ret, sizeof(*ret)) < 0) {
		*ret = (struct plug_result){0};
		(void)err_say(&ret->why, -EINTR,
			"the process that changes devices of guest '%s' was killed", p->place.name);
		err_hint(&ret->why, "repeat it; at the guest's end all of its devices return");
	}
	job_reap(p);
}

/* A kill takes effect once the kernel has done what the job asked of it. */
void plug_abort(struct plug *p)
{
	if (p->job <= 0)
		return;
	cleanup_fd int pidfd = fd_pidfd_open(p->job);
	struct pollfd ended = {.fd = pidfd, .events = POLLIN};
	(void)kill(p->job, SIGKILL);
	if (pidfd < 0 || poll(&ended, 1, ABORT_PATIENCE_MS) > 0)
		job_reap(p);
	fd_close(&p->result_fd);
	p->job = 0;
}
