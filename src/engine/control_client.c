/* SPDX-License-Identifier: MIT */
#include "engine/control_client.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int control_client_init(struct control_client *c, int fd)
{
	*c = (struct control_client){.fd = fd, .console_fd = -1, .out = malloc(CONTROL_SEND_MAX)};
	if (c->out)
		return 0;
	fd_close(&c->fd);
	return -ENOMEM;
}

static void given_close(struct control_client *c)
{
	while (c->give_count)
		fd_close(&c->give_fds[--c->give_count]);
}

void control_client_fini(struct control_client *c)
{
	fd_close(&c->fd);
	given_close(c);
	fd_close(&c->console_fd);
	free(c->out);
	c->out = NULL;
}

bool control_client_has_room(const struct control_client *c, size_t len)
{
	return len <= CONTROL_SEND_MAX - c->out_len;
}

void control_client_put(struct control_client *c, const char *line, size_t len, int give_fd)
{
	if (give_fd >= 0) {
		c->give_fds[0] = give_fd;
		c->give_count = 1;
		c->give_at = c->out_len;
	}
	memcpy(c->out + c->out_len, line, len);
	c->out_len += len;
}

int control_client_give(struct control_client *c, const int *fds, size_t count)
{
	if (c->give_count || count > CONTROL_GIVEN_MAX)
		return -E2BIG;
	for (size_t i = 0; i < count; i++) {
		int fd = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
		if (fd < 0) {
			int r = -errno;
			given_close(c);
			return r;
		}
		c->give_fds[c->give_count++] = fd;
	}
	c->give_at = c->out_len;
	return 0;
}

/* Up to the byte that descriptors go with, or from that on. */
static ssize_t send_part(struct control_client *c)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(CONTROL_GIVEN_MAX * sizeof(int))];
	} control = {0};
	bool gives = c->give_count && c->give_at == 0;
	struct iovec part = {
		.iov_base = c->out, .iov_len = c->give_count && !gives ? c->give_at : c->out_len};
	struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};

	if (gives) {
		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(c->give_count * sizeof(int));
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(c->give_count * sizeof(int));
		memcpy(CMSG_DATA(&control.head), c->give_fds, c->give_count * sizeof(int));
	}
	ssize_t sent = sendmsg(c->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent > 0 && gives)
		given_close(c);
	return sent;
}

int control_client_flush(struct control_client *c)
{
	while (c->out_len) {
		ssize_t sent = send_part(c);
		if (sent < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		c->out_len -= (size_t)sent;
		c->give_at -= c->give_count ? (size_t)sent : 0;
		memmove(c->out, c->out + sent, c->out_len);
	}
	return 0;
}

bool control_client_listens(const struct control_client *c)
{
	return !c->out_len && !c->order && !c->plugs && !c->leaves && !c->streams;
}

bool control_client_has_line(const struct control_client *c)
{
	return memchr(c->line, '\n', c->line_len) != NULL;
}

int control_client_read(struct control_client *c)
{
	size_t room = sizeof(c->line) - c->line_len;

	if (!room)
		return -E2BIG;
	ssize_t got = recv(c->fd, c->line + c->line_len, room, MSG_DONTWAIT);
	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -EPIPE;
	if (got == 0)
		return -EPIPE;
	c->line_len += (size_t)got;
	return 1;
}

bool control_client_line(struct control_client *c, char *ret, size_t *ret_len)
{
	const char *end = memchr(c->line, '\n', c->line_len);

	if (!end)
		return false;
	size_t len = (size_t)(end - c->line);
	memcpy(ret, c->line, len);
	c->line_len -= len + 1;
	memmove(c->line, c->line + len + 1, c->line_len);
	*ret_len = len;
	return true;
}
