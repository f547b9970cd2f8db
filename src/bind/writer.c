/* SPDX-License-Identifier: MIT */
/*
 * How it works
 *
 * Invariant: a process of usher that holds a lock never writes to sysfs itself. An unbind runs the
 * driver's remove(), which may wait for ever, and no signal reaches the process meanwhile.
 *
 * A writer is a process that shares our memory (base/spawn.h) and has one descriptor: its end of a
 * pair of packet sockets. A request is a struct request, the answer an int, 0 or -errno. The
 * kernel kills a writer when its parent ends. A writer that hangs is marked lost: its memory stays
 * allocated, and the parent starts another one. The journal names the writer, so that the next
 * usher can wait for it, or report where it hangs.
 */
#include "bind/writer.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/spawn.h"
#include "bind/kernel_ops.h"
#include "bind/stuck_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define REQUEST_MAX (FILE_PATH_MAX + 256)

#define NO_OFFSET (-1) /* an attribute: the text is written */

struct request {
	int offset; /* of a register, or NO_OFFSET */
	uint16_t value; /* of the register */
	char text[REQUEST_MAX]; /* "path\0text\0"; for a register, its text is for people */
};

struct bind_writer {
	pid_t pid;
	int fd; /* our end */
	bool lost; /* the kernel keeps it */
	struct request request; /* the one under way or done last */
	struct timespec asked;
	/* What the writer itself looks at. */
	int its_fd;
	pid_t parent;
	char stack[SPAWN_STACK] __attribute__((aligned(16)));
};

static int request_write(const struct request *q, const char *text)
{
	long len = 0, n;

	while (text[len])
		len++;
	int fd = (int)spawn_call(SYS_openat, AT_FDCWD, (long)q->text, O_WRONLY | O_CLOEXEC, 0, 0);
	if (fd < 0)
		return fd;
	if (q->offset != NO_OFFSET) {
		len = sizeof(q->value);
		n = spawn_call(SYS_pwrite64, fd, (long)&q->value, len, q->offset, 0);
	} else {
		/* sysfs takes a store whole or not at all. */
		n = spawn_call(SYS_write, fd, (long)text, len, 0, 0);
	}
	(void)spawn_call(SYS_close, fd, 0, 0, 0, 0);
	return n < 0 ? (int)n : n == len ? 0 : -EIO;
}

static void writer_serve(int fd)
{
	struct request q;

	for (;;) {
		long n = spawn_call(SYS_read, fd, (long)&q, sizeof(q), 0, 0);
		if (n == -EINTR)
			continue;
		/* Two texts, each with its NUL: a packet comes whole. */
		if (n < (long)offsetof(struct request, text) + 2)
			return;
		const char *text = q.text;
		while (*text)
			text++;
		int r = request_write(&q, text + 1);
		if (spawn_call(SYS_sendto, fd, (long)&r, sizeof(r), MSG_NOSIGNAL, 0) < 0)
			return;
	}
}

static void writer_main(void *arg)
{
	const struct bind_writer *w = arg;

	/* Nothing would undo its writes once the parent has ended. */
	(void)spawn_call(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (spawn_call(SYS_getppid, 0, 0, 0, 0, 0) == w->parent) {
		spawn_keep_only(w->its_fd);
		writer_serve(w->its_fd);
	}
	spawn_leave();
}

int bind_writer_start(struct bind_writer **ret)
{
	int pair[2];

	struct bind_writer *w = aligned_alloc(16, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->lost = false;
	w->request.text[0] = '\0';
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		free(w);
		return -errno;
	}
	w->fd = pair[0];
	w->its_fd = pair[1];
	w->parent = getpid();
	w->pid = spawn_start(w->stack, writer_main, w);
	(void)close(pair[1]);
	if (w->pid < 0) {
		int r = w->pid;
		(void)close(pair[0]);
		free(w);
		return r;
	}
	*ret = w;
	return 0;
}

pid_t bind_writer_pid(const struct bind_writer *w)
{
	return w->pid;
}

static const char *text_of(const struct bind_writer *w)
{
	return w->request.text + strlen(w->request.text) + 1;
}

static int waited_s(const struct bind_writer *w)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int)(now.tv_sec - w->asked.tv_sec - (now.tv_nsec < w->asked.tv_nsec));
}

/* Where in the kernel the writer waits; it is the only witness of a hang. */
static void say_where(const struct bind_writer *w, struct err *e)
{
	char file[64], where[128], text[128], hint[128];

	(void)snprintf(file, sizeof(file), "/proc/%d/wchan", w->pid);
	if (file_read(file, text, sizeof(text)) <= 0)
		(void)snprintf(text, sizeof(text), "unknown");
	file_escape(where, sizeof(where), text);
	err_say(e, -ETIMEDOUT,
		"write %s: the kernel did not come back within %d s (process %d waits in %s)",
		w->request.text, waited_s(w), w->pid, where);
	err_hint(e, "%s", bind_stuck_writer_hint(w->pid, hint, sizeof(hint)));
}

static int request_send(struct bind_writer *w, const char *path, const char *text, struct err *e)
{
	struct request *q = &w->request;

	if (w->lost)
		return err_say(
			e, -ETIMEDOUT, "write %s: the kernel still holds process %d", path, w->pid);
	int len = snprintf(q->text, sizeof(q->text), "%s%c%s", path, '\0', text);
	if (len < 0 || (size_t)len >= sizeof(q->text))
		return err_set(e, -ENAMETOOLONG, "write %s", path);
	(void)clock_gettime(CLOCK_MONOTONIC, &w->asked);
	size_t size = offsetof(struct request, text) + (size_t)len + 1;
	if (send(w->fd, q, size, MSG_NOSIGNAL) < 0)
		return err_set(e, -errno, "write %s: ask process %d", path, w->pid);
	return 0;
}

int bind_writer_ask(struct bind_writer *w, const char *path, const char *text, struct err *e)
{
	w->request.offset = NO_OFFSET;
	return request_send(w, path, text, e);
}

int bind_writer_ask_register(
	struct bind_writer *w, const char *path, uint16_t offset, uint16_t value, struct err *e)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "0x%04x at 0x%x", value, offset);
	w->request.offset = offset;
	w->request.value = value;
	return request_send(w, path, text, e);
}

int bind_writer_wait(struct bind_writer *const *list, size_t count, int timeout_ms)
{
	struct pollfd p[BIND_WRITERS_MAX];
	int r;

	if (count > BIND_WRITERS_MAX)
		return -E2BIG;
	for (size_t i = 0; i < count; i++)
		p[i] = (struct pollfd){.fd = list[i] ? list[i]->fd : -1, .events = POLLIN};
	do {
		r = poll(p, count, timeout_ms);
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	for (size_t i = 0; i < count; i++)
		if (p[i].revents)
			return (int)i;
	return -ETIMEDOUT;
}

int bind_writer_answer(struct bind_writer *w, int timeout_ms, struct err *e)
{
	int answer = 0;

	int r = bind_writer_wait(&w, 1, timeout_ms);
	if (r == -ETIMEDOUT) {
		w->lost = true;
		say_where(w, e);
		return r;
	}
	if (r == 0 && recv(w->fd, &answer, sizeof(answer), 0) != (ssize_t)sizeof(answer))
		r = -EPIPE;
	if (r < 0)
		return err_set(e, r, "write %s: hear from process %d", w->request.text, w->pid);
	return answer < 0 ? err_set(e, answer, "write '%s' to %s", text_of(w), w->request.text) : 0;
}

void bind_writer_stop(struct bind_writer *w)
{
	if (!w)
		return;
	fd_close(&w->fd); /* the writer reads the end and leaves */
	if (w->lost) {
		/*
		 * Takes effect when the kernel lets it go, before it sees a line of ours again; but
		 * and until then it needs its memory.
		 */
		(void)kill(w->pid, SIGKILL);
		(void)waitpid(w->pid, NULL, WNOHANG);
		spawn_free_of_lost(w);
		return;
	}
	while (waitpid(w->pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	free(w);
}
