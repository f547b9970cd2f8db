/* SPDX-License-Identifier: MIT */
#include "wire/message.h"

#include "base/fd.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
	struct cmsghdr head;
	char room[CMSG_SPACE(WIRE_FDS_MAX * sizeof(int))];
};

int wire_pair(int ret[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret) < 0 ? -errno : 0;
}

/* The kernel says ECONNRESET of an end that was closed with messages unread. */
static int socket_error(void)
{
	return errno == ECONNRESET ? -EPIPE : -errno;
}

static void fds_attach(struct msghdr *m, union control *control, const struct wire_fds *fds)
{
	size_t size = fds->count * sizeof(int);

	memset(control, 0, sizeof(*control));
	m->msg_control = control;
	m->msg_controllen = CMSG_SPACE(size);
	control->head.cmsg_level = SOL_SOCKET;
	control->head.cmsg_type = SCM_RIGHTS;
	control->head.cmsg_len = CMSG_LEN(size);
	memcpy(CMSG_DATA(&control->head), fds->fds, size);
}

int wire_send(int fd, void *message, size_t size, const struct wire_fds *fds)
{
	struct iovec data = {.iov_base = message, .iov_len = size};
	struct msghdr m = {.msg_iov = &data, .msg_iovlen = 1};
	struct wire_header *header = message;
	union control control;

	header->version = WIRE_VERSION;
	header->size = (uint32_t)size;
	if (fds && fds->count)
		fds_attach(&m, &control, fds);
	ssize_t sent = sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent < 0)
		return socket_error();
	return (size_t)sent == size ? 0 : -EIO;
}

/* All that came, so that no descriptor stays open by accident. */
static void fds_take(struct msghdr *m, struct wire_fds *ret)
{
	ret->count = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		if (count > WIRE_FDS_MAX - ret->count)
			count = WIRE_FDS_MAX - ret->count;
		memcpy(ret->fds + ret->count, CMSG_DATA(c), count * sizeof(int));
		ret->count += count;
	}
}

static int message_check(const struct msghdr *m, size_t got, const void *message, size_t size)
{
	struct wire_header header;

	if (m->msg_flags & (MSG_TRUNC | MSG_CTRUNC) || got != size || size < sizeof(header))
		return -EPROTO;
	memcpy(&header, message, sizeof(header));
	return header.version == WIRE_VERSION && header.size == size ? 0 : -EPROTO;
}

/*
 * Looks at the next message. Without room for descriptors the kernel leaves those in the message,
 * and reports that some did not fit.
 */
static int message_peek(int fd)
{
	char byte;
	struct iovec data = {.iov_base = &byte, .iov_len = 1};
	struct msghdr m = {.msg_iov = &data, .msg_iovlen = 1};
	ssize_t got;

	do
		got = recvmsg(fd, &m, MSG_PEEK);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return socket_error();
	return m.msg_flags & MSG_CTRUNC ? -EBADMSG : 0;
}

int wire_receive(int fd, void *message, size_t size, struct wire_fds *fds)
{
	struct iovec data = {.iov_base = message, .iov_len = size};
	union control control;
	struct msghdr m = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct wire_fds came;
	ssize_t got;

	int r = fds ? 0 : message_peek(fd);
	if (r < 0)
		return r;
	do
		got = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return socket_error();
	fds_take(&m, &came);
	r = got ? message_check(&m, (size_t)got, message, size) : -EPIPE;
	if (r < 0) {
		wire_close(&came);
		return r;
	}
	if (fds)
		*fds = came;
	else
		wire_close(&came);
	return 0;
}

int wire_add(struct wire_fds *fds, int fd)
{
	if (fds->count == WIRE_FDS_MAX)
		return -E2BIG;
	fds->fds[fds->count] = fd;
	return (int)fds->count++;
}

void wire_close(struct wire_fds *fds)
{
	while (fds->count)
		fd_close(&fds->fds[--fds->count]);
}
