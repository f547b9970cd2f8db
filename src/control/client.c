/* SPDX-License-Identifier: MIT */
#include "control/client.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "control/value.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

const struct control_place control_guests = {
	.folder = "vm", .noun = "guest", .lister = "usher ps", .greet_ms = CONTROL_GREET_MS};
const struct control_place control_leases = {
	.folder = "lease", .noun = "lease", .lister = "usher leases", .greet_ms = CONTROL_WAIT_MS};

static int explain_failure(const struct control_place *p, const char *folder, const char *name,
	int code, struct err *e)
{
	struct stat st;

	if (code == -EACCES && stat(folder, &st) == 0) {
		(void)err_say(e, code,
			"the keeper of %s '%s' belongs to user %u, and you are user %u", p->noun,
			name, (unsigned)st.st_uid, (unsigned)geteuid());
		err_hint(e, "be that user or root");
		return code;
	}
	if (code == -ENOENT && stat(folder, &st) == 0)
		return err_say(e, code,
			"%s '%s' has no control socket: it is about to start or "
			"to end",
			p->noun, name);
	if (code == -ENOENT) {
		(void)err_say(e, code, "no %s named '%s' runs", p->noun, name);
		err_hint(e, "'%s' lists the %ss that run", p->lister, p->noun);
		return code;
	}
	if (code == -ECONNREFUSED) {
		(void)err_say(e, code, "the keeper of %s '%s' was killed", p->noun, name);
		err_hint(e,
			"'usher restore' returns its devices, if it has any, and removes the rest");
		return code;
	}
	return err_set(e, code, "connect to the keeper of %s '%s'", p->noun, name);
}

static int socket_connect(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if ((size_t)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path) >=
		sizeof(address.sun_path))
		return -ENAMETOOLONG;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* The queue of a keeper that hangs may be full: this call would wait. */
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO,
		&(struct timeval){.tv_sec = CONTROL_WAIT_MS / 1000}, sizeof(struct timeval));
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	int r = -errno;
	(void)close(fd);
	return r;
}

static int greeting_check(
	const struct control_place *p, struct control_link *l, const char *name, struct err *e)
{
	struct control_value *v = NULL;
	int64_t version = 0;

	int r = control_next(l, p->greet_ms, &v, e);
	if (r == -ETIMEDOUT)
		return err_say(e, r,
			"the keeper of %s '%s' does not answer now: it takes or gives "
			"back devices",
			p->noun, name);
	if (r < 0)
		return err_in(e, r, "%s '%s'", p->noun, name);
	const char *refused = control_value_text(control_value_member(v, "error"), "message");
	if (refused)
		r = err_say(e, -EUSERS, "%s '%s': %s", p->noun, name, refused);
	else if (!control_value_number(v, "protocol", &version) || version != CONTROL_VERSION)
		r = err_say(e, -EPROTO, "%s '%s' runs by another version of usher", p->noun, name);
	control_value_free(v);
	return r;
}

/* A name becomes part of a path. */
static int name_check(const struct control_place *p, const char *name, struct err *e)
{
	if (name[0] && name[0] != '.' && !strchr(name, '/') && strlen(name) < 64)
		return 0;
	return err_say(e, -ENOENT, "'%s' is not the name of a %s", name, p->noun);
}

int control_connect(const char *run_dir, const char *name, struct control_link *ret, struct err *e)
{
	return control_connect_at(&control_guests, run_dir, name, ret, e);
}

int control_connect_at(const struct control_place *p, const char *run_dir, const char *name,
	struct control_link *ret, struct err *e)
{
	char folder[FILE_PATH_MAX], path[FILE_PATH_MAX];

	*ret = CONTROL_LINK_NONE;
	int r = name_check(p, name, e);
	if (r < 0)
		return r;
	if (file_path(folder, sizeof(folder), "%s/%s/%s", run_dir, p->folder, name) < 0 ||
		file_path(path, sizeof(path), "%s/control", folder) < 0)
		return err_set(e, -ENAMETOOLONG, "connect to %s '%s'", p->noun, name);
	ret->line = malloc(CONTROL_ANSWER_MAX);
	if (!ret->line)
		return err_set(e, -ENOMEM, "connect to %s '%s'", p->noun, name);
	ret->fd = socket_connect(path);
	if (ret->fd < 0)
		return explain_failure(p, folder, name, ret->fd, e);
	return greeting_check(p, ret, name, e);
}

int control_adopt(int fd, struct control_link *ret, struct err *e)
{
	*ret = CONTROL_LINK_NONE;
	ret->fd = fd;
	ret->line = malloc(CONTROL_ANSWER_MAX);
	return ret->line ? 0 : err_set(e, -ENOMEM, "connect to a guest");
}

static void given_close(struct control_link *l)
{
	while (l->given_count)
		fd_close(&l->given[--l->given_count]);
}

void control_disconnect(struct control_link *l)
{
	fd_close(&l->fd);
	given_close(l);
	free(l->line);
	l->line = NULL;
}

static void fds_keep(struct control_link *l, struct msghdr *m)
{
	const struct cmsghdr *c = CMSG_FIRSTHDR(m);

	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
		return;
	given_close(l);
	l->given_count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	memcpy(l->given, CMSG_DATA(c), l->given_count * sizeof(int));
}

static int more_read(struct control_link *l, struct err *e)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(CONTROL_GIVEN_MAX * sizeof(int))];
	} control;
	struct iovec part = {.iov_base = l->line + l->len, .iov_len = CONTROL_ANSWER_MAX - l->len};
	struct msghdr m = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};

	if (!part.iov_len)
		return err_say(e, -EPROTO, "the keeper's answer has no end");
	ssize_t got = recvmsg(l->fd, &m, MSG_CMSG_CLOEXEC);
	if (got < 0 && errno == EINTR)
		return 0;
	if (got < 0 && errno != ECONNRESET)
		return err_set(e, -errno, "read the keeper's answer");
	if (got <= 0)
		return err_say(e, -EPIPE, "the keeper has ended");
	fds_keep(l, &m);
	l->len += (size_t)got;
	return 0;
}

static int line_take(
	struct control_link *l, const char *end, struct control_value **ret, struct err *e)
{
	size_t len = (size_t)(end - l->line);

	int r = control_value_parse(l->line, len, ret, e);
	l->len -= len + 1;
	memmove(l->line, end + 1, l->len);
	return r == -EINVAL ? -EPROTO : r;
}

int control_next(struct control_link *l, int timeout_ms, struct control_value **ret, struct err *e)
{
	int64_t until = clock_ms() + timeout_ms;

	for (;;) {
		const char *end = memchr(l->line, '\n', l->len);
		if (end)
			return line_take(l, end, ret, e);
		struct pollfd p = {.fd = l->fd, .events = POLLIN};
		int64_t left = timeout_ms < 0 ? -1 : until - clock_ms();
		if (timeout_ms >= 0 && left <= 0)
			return err_say(e, -ETIMEDOUT, "the keeper does not answer");
		if (poll(&p, 1, (int)left) <= 0)
			continue;
		int r = more_read(l, e);
		if (r < 0)
			return r;
	}
}

static int code_of(const char *name)
{
	for (int code = 1; name && code < 200; code++) {
		const char *known = strerrorname_np(code);
		if (known && strcmp(known, name) == 0)
			return -code;
	}
	return -EIO;
}

static int answer_check(const struct control_value *v, struct err *e)
{
	const struct control_value *error = control_value_member(v, "error");
	const char *message = control_value_text(error, "message");
	const char *hint = control_value_text(error, "hint");

	if (control_value_flag(v, "ok"))
		return 0;
	int r = err_say(e, code_of(control_value_text(error, "code")), "%s",
		message ? message : "the keeper has refused");
	if (hint)
		err_hint(e, "%s", hint);
	return r;
}

int control_ask(struct control_link *l, const char *line, struct control_value **ret, struct err *e)
{
	return control_ask_within(l, line, CONTROL_WAIT_MS, ret, e);
}

int control_ask_within(struct control_link *l, const char *line, int timeout_ms,
	struct control_value **ret, struct err *e)
{
	struct control_value *v = NULL;
	size_t len = strlen(line);

	if (send(l->fd, line, len, MSG_NOSIGNAL) != (ssize_t)len)
		return err_say(e, -EPIPE, "the keeper has ended");
	for (;;) {
		int r = control_next(l, timeout_ms, &v, e);
		if (r < 0)
			return r;
		if (control_value_member(v, "ok"))
			break;
		control_value_free(v); /* an event */
	}
	int r = answer_check(v, e);
	if (r == 0 && ret)
		*ret = v;
	else
		control_value_free(v);
	return r;
}
