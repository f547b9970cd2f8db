/* SPDX-License-Identifier: MIT */
#include "bind/writer.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * Parent and writer talk over a pair of packet sockets: a request is "path\0text\0", the answer
 * an int (0 or -errno). The writer has no other descriptor: one that the kernel keeps for ever
 * must hold neither a lock of ours nor the end of a pipe that somebody reads.
 */
#define REQUEST_MAX (FILE_PATH_MAX + 256)

struct bind_writer {
	pid_t pid;
	int fd; /* our end */
	bool lost; /* the kernel keeps it */
};

/* Async-signal-safe calls only: the caller may have threads. */
static void serve(int fd)
{
	char buf[REQUEST_MAX];

	for (;;) {
		ssize_t n = recv(fd, buf, sizeof(buf) - 1, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		buf[n] = '\0';
		int r = file_write(buf, buf + strlen(buf) + 1);
		if (send(fd, &r, sizeof(r), MSG_NOSIGNAL) < 0)
			return;
	}
}

static void close_all_but(int fd)
{
	if (fd > 0)
		(void)syscall(SYS_close_range, 0, fd - 1, 0);
	(void)syscall(SYS_close_range, fd + 1, UINT_MAX, 0);
}

static _Noreturn void writer_main(int fd, pid_t parent)
{
	sigset_t none;

	/* With its parent gone nobody would undo what it still does. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (getppid() == parent) {
		close_all_but(fd);
		serve(fd);
	}
	_exit(0);
}

int bind_writer_start(struct bind_writer **ret)
{
	int pair[2];

	cleanup_free struct bind_writer *w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	pid_t parent = getpid();
	w->pid = fork();
	if (w->pid == 0)
		writer_main(pair[1], parent);
	int r = w->pid < 0 ? -errno : 0;
	(void)close(pair[1]);
	if (r < 0) {
		(void)close(pair[0]);
		return r;
	}
	w->fd = pair[0];
	*ret = TAKE_PTR(w);
	return 0;
}

pid_t bind_writer_pid(const struct bind_writer *w)
{
	return w->pid;
}

/* Where in the kernel the writer waits; it is the only witness of a hang. */
static void say_where(const struct bind_writer *w, const char *path, int timeout_ms, struct err *e)
{
	char file[64], where[128], text[128];

	(void)snprintf(file, sizeof(file), "/proc/%d/wchan", w->pid);
	if (file_read(file, text, sizeof(text)) <= 0)
		(void)snprintf(text, sizeof(text), "unknown");
	file_escape(where, sizeof(where), text);
	err_say(e, -ETIMEDOUT,
		"write %s: the kernel did not come back within %d s (process %d waits in %s)", path,
		timeout_ms / 1000, w->pid, where);
	err_hint(e, "see /proc/%d/stack; when the device is let go, run usher restore", w->pid);
}

static int wait_answer(int fd, int timeout_ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int r;

	do {
		r = poll(&p, 1, timeout_ms);
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	return r == 0 ? -ETIMEDOUT : 0;
}

int bind_writer_write(
	struct bind_writer *w, const char *path, const char *text, int timeout_ms, struct err *e)
{
	char buf[REQUEST_MAX];
	int answer = 0;

	int len = snprintf(buf, sizeof(buf), "%s%c%s", path, '\0', text);
	if (len < 0 || (size_t)len >= sizeof(buf))
		return err_set(e, -ENAMETOOLONG, "write %s", path);
	if (w->lost)
		return err_say(
			e, -ETIMEDOUT, "write %s: the kernel still holds process %d", path, w->pid);
	if (send(w->fd, buf, (size_t)len, MSG_NOSIGNAL) < 0)
		return err_set(e, -errno, "write %s: ask process %d", path, w->pid);
	int r = wait_answer(w->fd, timeout_ms);
	if (r == -ETIMEDOUT) {
		w->lost = true;
		say_where(w, path, timeout_ms, e);
		return r;
	}
	if (r == 0 && recv(w->fd, &answer, sizeof(answer), 0) != (ssize_t)sizeof(answer))
		r = -EPIPE;
	if (r < 0)
		return err_set(e, r, "write %s: hear from process %d", path, w->pid);
	return answer < 0 ? err_set(e, answer, "write '%s' to %s", text, path) : 0;
}

void bind_writer_stop(struct bind_writer *w)
{
	if (!w)
		return;
	fd_close(&w->fd); /* the writer reads the end and leaves */
	if (w->lost)
		(void)kill(w->pid, SIGKILL); /* takes effect when the kernel lets it go */
	while (waitpid(w->pid, NULL, w->lost ? WNOHANG : 0) < 0 && errno == EINTR)
		continue;
	free(w);
}
