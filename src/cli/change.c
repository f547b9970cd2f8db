/* SPDX-License-Identifier: MIT */
#include "cli/change.h"

#include "base/clean.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/*
 * How it works
 *
 * Invariant: between change_begin() and change_end() this process waits for no reader of its
 * output, and no signal of a terminal ends or stops it.
 *
 * stdout and stderr become streams over stream_write(). A piece of text goes to the file at once if
 * that does not wait, else into one queue for both, so that lines keep their order.
 *
 * O_NONBLOCK is a property of the open file, which other processes share. So a terminal or a pipe
 * is opened once more, through /proc/self/fd; a socket has a flag for each call. Where neither is
 * to be had, all text waits in the queue.
 *
 * change_end() lets signals through again before it waits. If one came meanwhile, a person or a
 * service manager wants the end: then each piece has HURRY_MS, and the rest is dropped.
 */
#define HURRY_MS 1000
#define PIECE_MAX 2048 /* [bytes] the kernel writes as much to a terminal in one go */

struct piece {
	struct piece *next;
	int fd;
	size_t len;
	char bytes[];
};

struct stream {
	int fd;
	int quick; /* the same file, for writes that do not wait; -1: none */
	bool is_socket;
	bool looked; /* `quick` and `is_socket` are set */
	int error; /* the first -errno */
	FILE *before;
};

static struct change {
	bool active, happened;
	struct stream streams[2]; /* stdout, stderr */
	struct piece *first, **end; /* what is left to write */
	sigset_t signals_before;
} change = {.streams = {{.fd = STDOUT_FILENO, .quick = -1}, {.fd = STDERR_FILENO, .quick = -1}}};

/* The other side of a pseudoterminal: to open it once more makes another one. */
static bool is_master(int fd)
{
	unsigned number;

	return ioctl(fd, TIOCGPTN, &number) == 0;
}

static void stream_look(struct stream *s)
{
	char path[32];
	struct stat st;

	s->looked = true;
	if (fstat(s->fd, &st) < 0)
		return;
	s->is_socket = S_ISSOCK(st.st_mode);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", s->fd);
	if (S_ISFIFO(st.st_mode) || (isatty(s->fd) && !is_master(s->fd)))
		s->quick = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	else if (!s->is_socket && !isatty(s->fd)) /* a file, which has its position, or /dev/null */
		s->quick = fcntl(s->fd, F_DUPFD_CLOEXEC, 0);
}

/* Return: bytes written, 0 they would have to wait, -errno. */
static ssize_t stream_try(struct stream *s, const char *text, size_t len)
{
	ssize_t n;

	if (!s->looked)
		stream_look(s);
	if (s->is_socket)
		n = send(s->fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	else if (s->quick >= 0)
		n = write(s->quick, text, len);
	else
		return 0;
	if (n >= 0)
		return n;
	return errno == EAGAIN || errno == EINTR ? 0 : -errno;
}

static int piece_queue(struct change *c, int fd, const char *text, size_t len)
{
	struct piece *p = malloc(sizeof(*p) + len);

	if (!p)
		return -ENOMEM;
	p->next = NULL;
	p->fd = fd;
	p->len = len;
	memcpy(p->bytes, text, len);
	*c->end = p;
	c->end = &p->next;
	return 0;
}

/* Of fopencookie(3). What fails is an error of change_end(): the change itself goes on. */
static ssize_t stream_write(void *cookie, const char *text, size_t size)
{
	struct stream *s = cookie;
	size_t done = 0;
	int r = 0;

	while (done < size && r >= 0) {
		size_t len = min_u64(size - done, PIECE_MAX);
		ssize_t n = change.first ? 0 : stream_try(s, text + done, len);
		if (n == 0) {
			r = piece_queue(&change, s->fd, text + done, size - done);
			break;
		}
		r = n < 0 ? (int)n : 0;
		done += n > 0 ? (size_t)n : 0;
	}
	if (r < 0 && s->error == 0)
		s->error = r;
	return (ssize_t)size;
}

static FILE *stream_open(struct stream *s, FILE *before)
{
	FILE *f = fopencookie(s, "w", (cookie_io_functions_t){.write = stream_write});

	if (!f)
		return before;
	(void)setvbuf(f, NULL, s->fd == STDERR_FILENO || isatty(s->fd) ? _IOLBF : _IOFBF, BUFSIZ);
	s->before = before;
	return f;
}

static void signals_hold(struct change *c)
{
	sigset_t set;

	signals_survive_writes();
	signals_that_end(&set);
	(void)sigprocmask(SIG_BLOCK, &set, &c->signals_before);
	signals_that_stop(&set);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
}

void change_begin(void)
{
	if (change.active)
		return;
	change.active = change.happened = true;
	change.end = &change.first;
	signals_hold(&change);
	(void)fflush(NULL);
	stdout = stream_open(&change.streams[0], stdout);
	stderr = stream_open(&change.streams[1], stderr);
}

/* Return: whether one of those that end the verb came meanwhile. It is used up. */
static bool signals_release(struct change *c)
{
	const struct timespec now = {0};
	sigset_t ends;
	bool came = false;

	signals_that_end(&ends);
	for (int number = 1; number < NSIG; number++)
		if (sigismember(&c->signals_before, number) == 1)
			(void)sigdelset(&ends, number);
	while (sigtimedwait(&ends, NULL, &now) > 0)
		came = true;
	(void)sigprocmask(SIG_SETMASK, &c->signals_before, NULL);
	return came;
}

static int piece_write(const struct piece *p, int patience_ms)
{
	size_t done = 0;

	while (done < p->len) {
		struct pollfd wait = {.fd = p->fd, .events = POLLOUT};
		int ready = poll(&wait, 1, patience_ms);
		if (ready == 0)
			return -ETIMEDOUT;
		ssize_t n = write(p->fd, p->bytes + done, p->len - done);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static void queue_write(struct change *c, int patience_ms)
{
	int r = 0;

	while (c->first) {
		struct piece *p = c->first;
		struct stream *s = &c->streams[p->fd == STDERR_FILENO];
		/* The reader of the one may be gone, or stuck, while the other's reads on. */
		r = s->error ? s->error : piece_write(p, patience_ms);
		if (r < 0 && s->error == 0)
			s->error = r;
		c->first = p->next;
		free(p);
	}
}

static void stream_close(struct stream *s, FILE **f)
{
	if (!s->before)
		return;
	(void)fclose(*f);
	*f = s->before;
	s->before = NULL;
	fd_close(&s->quick);
}

int change_end(void)
{
	if (!change.active)
		return 0;
	stream_close(&change.streams[0], &stdout);
	stream_close(&change.streams[1], &stderr);
	bool hurry = signals_release(&change);
	queue_write(&change, hurry ? HURRY_MS : -1);
	change.active = false;
	return change.streams[0].error;
}

bool change_happened(void)
{
	return change.happened;
}
