/* SPDX-License-Identifier: MIT */
#include "engine/control_room.h"

#include "base/err.h"
#include "base/fd.h"
#include "engine/control_answer.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 16

int control_room_listen(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if ((size_t)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path) >=
		sizeof(address.sun_path))
		return -ENAMETOOLONG;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	(void)unlink(path);
	mode_t before = umask(0177);
	int r = bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
				listen(fd, BACKLOG) < 0
			? -errno
			: 0;
	(void)umask(before);
	if (r == 0)
		return fd;
	fd_close(&fd);
	return r;
}

/* Connections that serve some commands alone are strangers': they keep nobody out. */
static void room_make(struct control_client *list, size_t *count)
{
	for (size_t i = 0; i < *count; i++)
		if (list[i].commands) {
			control_client_fini(&list[i]);
			list[i] = list[--*count];
			return;
		}
}

struct control_client *control_room_accept(
	int listen_fd, struct control_client *list, size_t *count, size_t most, bool *deaf)
{
	static const char full[] = "{\"ok\":false,\"error\":{\"code\":\"EUSERS\",\"message\":"
				   "\"the keeper has as many control clients as it takes\"}}\n";
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0) {
		*deaf = errno != EAGAIN && errno != ECONNABORTED && errno != EINTR;
		return NULL;
	}
	if (*count == most)
		room_make(list, count);
	if (*count == most) {
		(void)send(fd, full, sizeof(full) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
		(void)close(fd);
		return NULL;
	}
	return control_client_init(&list[*count], fd) < 0 ? NULL : &list[(*count)++];
}

struct pollfd control_room_poll(const struct control_client *c)
{
	const bool reads = control_client_listens(c) && !control_client_has_line(c);

	return (struct pollfd){
		.fd = c->fd, .events = (short)((reads ? POLLIN : 0) | (c->out_len ? POLLOUT : 0))};
}

bool control_room_is_busy(const struct control_client *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (control_client_listens(&list[i]) && control_client_has_line(&list[i]))
			return true;
	return false;
}

static void refuse_long_line(struct control_client *from)
{
	const struct control_request q = {.has_id = false};
	struct err e = {0};

	(void)err_say(&e, -E2BIG, "the request is longer than %d bytes", CONTROL_LINE_MAX);
	control_failed(from, &q, &e);
	from->leaves = true;
}

/* Whoever opens a connection for another process limits it first; it never serves more again. */
static void client_restrict(struct control_client *from, const struct control_request *q)
{
	const uint32_t both = from->commands & q->commands;
	struct err e = {0};

	if (!from->commands || both) {
		from->commands = from->commands ? both : q->commands;
		control_done(from, q, -1);
		return;
	}
	(void)err_say(&e, -EPERM, "this connection serves none of these commands");
	control_failed(from, q, &e);
}

static int request_take(struct control_client *from, struct control_request *ret)
{
	char line[CONTROL_LINE_MAX];
	struct err e = {0};
	size_t len;

	if (!control_client_line(from, line, &len))
		return 0;
	int r = control_request_parse(line, len, ret, &e);
	if (r == 0 && ret->command == CONTROL_RESTRICT) {
		client_restrict(from, ret);
		return 0;
	}
	if (r == 0 && from->commands && !(from->commands & control_command_bit(ret->command)))
		r = err_say(&e, -EPERM, "this connection does not serve '%s'",
			control_command_name(ret->command));
	if (r == 0)
		return 1;
	control_failed(from, ret, &e);
	return 0;
}

int control_room_request(struct control_client *from, short events, struct control_request *ret)
{
	if (events && control_client_listens(from) && !control_client_has_line(from)) {
		int r = control_client_read(from);
		if (r == -E2BIG)
			refuse_long_line(from);
		else if (r < 0)
			return -1;
	} else if (events & (POLLHUP | POLLERR) && !control_client_has_line(from)) {
		return -1;
	}
	return control_client_listens(from) ? request_take(from, ret) : 0;
}
