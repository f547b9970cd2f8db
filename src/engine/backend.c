/* SPDX-License-Identifier: MIT */
#include "engine/backend.h"

#include "base/clean.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "engine/said.h"
#include "program/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define READY_MS 30000 /* an emulated host is slow */
#define ANSWER_MS 10000 /* one that somebody else has started runs already */
#define END_MS 5000
#define ANSWER_SIZE 20 /* [bytes] */

static int address_fill(struct sockaddr_un *a, const char *path)
{
	*a = (struct sockaddr_un){.sun_family = AF_UNIX};
	return file_path(a->sun_path, sizeof(a->sun_path), "%s", path);
}

/* A server that hangs leaves its queue of connections full: connect(2) would wait without end. */
static int socket_connect(const struct sockaddr_un *a)
{
	cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)a, sizeof(*a)) < 0 ||
		fcntl(fd, F_SETFL, O_RDWR) < 0)
		return -errno;
	return TAKE_FD(fd);
}

/* In a folder that is there already, and that nobody else enters. */
static int pair_make(struct backend *b, const char *folder)
{
	struct sockaddr_un a;
	char path[FILE_PATH_MAX];

	int r = file_path(path, sizeof(path), "%s/socket", folder);
	if (r < 0)
		return r;
	r = address_fill(&a, path);
	if (r < 0)
		return r;
	b->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (b->listener < 0 || bind(b->listener, (const struct sockaddr *)&a, sizeof(a)) < 0 ||
		listen(b->listener, 1) < 0)
		return -errno;
	b->end = socket_connect(&a);
	(void)unlink(path);
	return b->end < 0 ? b->end : 0;
}

/* An ordinary user has no folder of usher's. */
static int folder_make(const char *run_dir, char *folder, size_t size)
{
	const char *above = geteuid() == 0 ? run_dir : "/tmp";

	int r = file_mkdirs(above, 0755);
	if (r < 0)
		return r;
	r = file_path(folder, size, "%s/usher-backend-XXXXXX", above);
	if (r < 0)
		return r;
	return mkdtemp(folder) ? 0 : -errno;
}

int backend_open(struct backend *b, const char *name, const char *run_dir, struct err *e)
{
	char folder[FILE_PATH_MAX];

	*b = BACKEND_NONE;
	b->name = name;
	b->said = said_open(name);
	int r = b->said < 0 ? b->said : folder_make(run_dir, folder, sizeof(folder));
	if (r == 0) {
		r = pair_make(b, folder);
		(void)rmdir(folder);
	}
	return r < 0 ? err_set(e, r, "make a socket for %s", name) : 0;
}

int backend_check(const char *path, struct err *e)
{
	struct stat st;

	if (stat(path, &st) < 0) {
		(void)err_set(e, -errno, "find the socket '%s' of a back end", path);
		err_hint(e, "start the program that serves there, as a server, before the guest");
		return -EINVAL;
	}
	return S_ISSOCK(st.st_mode) ? 0 : err_say(e, -EINVAL, "'%s' is not a socket", path);
}

/* @ret: the path without links, for nobody is to lead a later connection elsewhere. */
static int place_connect(const char *path, char ret[FILE_PATH_MAX])
{
	char real[PATH_MAX];
	struct sockaddr_un a;

	int r = address_fill(&a, path);
	if (r < 0)
		return r;
	r = realpath(path, real) ? file_path(ret, FILE_PATH_MAX, "%s", real) : -errno;
	return r < 0 ? r : socket_connect(&a);
}

int backend_connect(struct backend *b, const char *path, struct err *e)
{
	*b = BACKEND_NONE;
	int r = b->end = place_connect(path, b->path);
	if (r >= 0)
		return 0;
	if (r == -EAGAIN)
		return err_say(e, -EINVAL, "the back end at '%s' accepts no connection", path);
	(void)err_set(e, r, "connect to the back end at '%s'", path);
	if (r == -ENOENT || r == -ECONNREFUSED)
		err_hint(e, "start the program that serves there, as a server, before the guest");
	return -EINVAL;
}

int backend_start(struct backend *b, struct program *p, struct err *e)
{
	cleanup_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return err_set(e, -errno, "start %s", b->name);
	program_fd(p, b->listener);
	p->stdin_fd = p->stdout_fd = null;
	p->stderr_fd = b->said;
	p->die_signal = SIGKILL;
	int r = process_start(p, &b->process, e);
	/* With our copy open, the connection would outlive the program. */
	fd_close(&b->listener);
	return r;
}

static int end_report(const struct backend *b, int r, struct err *e)
{
	char text[256];

	if (!b->name && (r == -EPIPE || r == -ECONNRESET))
		return err_say(e, -EIO, "the back end at '%s' closes the connection", b->path);
	if (!b->name && r == -EPROTO)
		return err_say(e, -EIO, "the back end at '%s' sends a descriptor with its answer",
			b->path);
	if (!b->name && r == -ETIMEDOUT)
		return err_say(e, r, "the back end at '%s' does not answer within %d s", b->path,
			ANSWER_MS / 1000);
	if (!b->name)
		return err_set(e, r, "ask the back end at '%s' what it can", b->path);
	if (r == -ETIMEDOUT)
		return err_say(
			e, r, "%s does not start: no answer within %d s", b->name, READY_MS / 1000);
	said_last(b->said, text, sizeof(text));
	return err_say(e, -EIO, "%s does not start: %s", b->name, text);
}

int backend_explain(const struct backend *b, int r, struct err *e)
{
	struct pollfd p = {.fd = b->process.pidfd, .events = POLLIN};

	return b->process.pid && poll(&p, 1, END_MS) > 0 ? end_report(b, -EPIPE, e) : r;
}

/* Return: 0 there is something to read; -ETIMEDOUT; -EPIPE it has ended; -errno. */
static int answer_await(const struct backend *b, int64_t end_ms)
{
	struct pollfd p[] = {
		{.fd = b->end, .events = POLLIN}, {.fd = b->process.pidfd, .events = POLLIN}};
	const int64_t left = end_ms - clock_ms();

	if (left <= 0)
		return -ETIMEDOUT;
	if (poll(p, 2, (int)left) < 0)
		return errno == EINTR ? 0 : -errno;
	return !p[0].revents && p[1].revents ? -EPIPE : 0;
}

/*
 * Reads bytes with which no descriptor came: the kernel would close one here, and its last close
 * may wait as long as SO_LINGER says. A look takes none out of the message. Return: their number;
 * 0 at the end; -EPROTO there is one; -EAGAIN; -errno.
 */
static ssize_t bytes_read(int fd, char *to, size_t size)
{
	struct iovec part = {to, size};
	struct msghdr h = {.msg_iov = &part, .msg_iovlen = 1};

	const ssize_t n = recvmsg(fd, &h, MSG_PEEK | MSG_DONTWAIT);
	if (n < 0)
		return -errno;
	if (h.msg_flags & MSG_CTRUNC)
		return -EPROTO;
	return n ? recv(fd, to, (size_t)n, MSG_DONTWAIT) : 0;
}

/* The answer's content is for usher-vmm: only its length counts. */
static int answer_read(const struct backend *b)
{
	const int64_t end_ms = clock_ms() + (b->name ? READY_MS : ANSWER_MS);
	char answer[ANSWER_SIZE];
	size_t done = 0;

	while (done < sizeof(answer)) {
		const ssize_t n = bytes_read(b->end, answer, sizeof(answer) - done);
		int r = n > 0 ? 0 : n == 0 ? -EPIPE : (int)n;
		if (r == -EAGAIN)
			r = answer_await(b, end_ms);
		if (r < 0 && r != -EINTR)
			return r;
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* Ref: QEMU, docs/interop/vhost-user.rst: GET_FEATURES, version 1, without a payload. */
int backend_await(struct backend *b, struct err *e)
{
	static const uint32_t question[] = {1, 1, 0};

	if (b->end < 0)
		return 0;
	int r = send(b->end, question, sizeof(question), MSG_NOSIGNAL) < 0 ? -errno : 0;
	if (r == 0)
		r = answer_read(b);
	b->end = -1;
	return r < 0 ? end_report(b, r, e) : 0;
}

int backend_dial(int folder, const char *path)
{
	const struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS};
	cleanup_fd int fd = (int)syscall(SYS_openat2, folder, path, &how, sizeof(how));
	char self[64];
	struct sockaddr_un a;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISSOCK(st.st_mode))
		return -ECONNREFUSED;
	(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	int r = address_fill(&a, self);
	return r < 0 ? r : socket_connect(&a);
}

int backends_reconnect(const struct backends *s, unsigned number)
{
	for (size_t i = 0; s && i < s->count; i++) {
		const struct backend *b = &s->list[i];
		if (b->number == number && b->path[0])
			return backend_dial(AT_FDCWD, b->path);
	}
	return -ENODEV;
}

/* What a guest has not flushed is still in the memory of a program that serves an image. */
static void process_end(struct process *p)
{
	struct pollfd f = {.fd = p->pidfd, .events = POLLIN};

	if (!p->pid)
		return;
	(void)kill(p->pid, SIGTERM);
	if (poll(&f, 1, END_MS) == 0)
		(void)kill(p->pid, SIGKILL);
	(void)process_reap(p);
}

void backend_stop(struct backend *b)
{
	process_end(&b->process);
	fd_close(&b->listener);
	fd_close(&b->said);
	tool_free(b->tool);
	*b = BACKEND_NONE;
}
