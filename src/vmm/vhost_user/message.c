/* SPDX-License-Identifier: MIT */
#include "vmm/vhost_user/message.h"

#include "base/clock.h"
#include "base/fd.h"
#include "vmm/vhost_user/bound.h"
#include "vmm/walls/mark.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define VERSION 1U
#define VERSION_MASK 3U
#define FLAG_REPLY (1U << 2)
#define FLAG_ACKNOWLEDGE (1U << 3)

unsigned vhost_user_patience = 20000;

struct message_header {
	uint32_t request;
	uint32_t flags;
	uint32_t size;
};

/* Control data of descriptors, aligned as the kernel wants it. */
union fds_room {
	struct cmsghdr head;
	char bytes[CMSG_SPACE(VHOST_USER_REGIONS_MAX * sizeof(int))];
};

WALL_CALL(main | worker, poll);

/* Return: 0; -ETIMEDOUT; -errno. */
static int socket_await(int fd, short events, int64_t end_ms)
{
	struct pollfd p = {.fd = fd, .events = events};
	const int64_t left = end_ms - clock_ms();

	if (left <= 0)
		return -ETIMEDOUT;
	return poll(&p, 1, (int)left) < 0 && errno != EINTR ? -errno : 0;
}

static void fds_put(struct msghdr *h, union fds_room *room, const int *fds, unsigned count)
{
	const size_t size = count * sizeof(*fds);

	memset(room, 0, sizeof(*room));
	h->msg_control = room->bytes;
	h->msg_controllen = CMSG_SPACE(size);
	struct cmsghdr *c = CMSG_FIRSTHDR(h);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(size);
	memcpy(CMSG_DATA(c), fds, size);
}

WALL_CALL(main | worker, sendmsg);

int vhost_user_send(int fd, const struct vhost_user_message *m, bool acknowledge, int64_t end_ms)
{
	struct message_header head = {
		m->request, VERSION | (acknowledge ? FLAG_ACKNOWLEDGE : 0), m->size};
	uint8_t bytes[sizeof(head) + sizeof(m->payload)];
	const size_t len = sizeof(head) + m->size;
	union fds_room room;
	size_t done = 0;
	int r = 0;

	memcpy(bytes, &head, sizeof(head));
	memcpy(bytes + sizeof(head), &m->payload, m->size);
	while (r == 0 && done < len) {
		struct iovec part = {bytes + done, len - done};
		struct msghdr h = {.msg_iov = &part, .msg_iovlen = 1};
		if (!done && m->fd_count)
			fds_put(&h, &room, m->fds, m->fd_count);
		const ssize_t sent = sendmsg(fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent >= 0)
			done += (size_t)sent;
		else if (errno == EAGAIN)
			r = socket_await(fd, POLLOUT, end_ms);
		else if (errno != EINTR)
			r = -errno;
	}
	return r;
}

/* What came with the bytes. Return: 0; -EPROTO more than one descriptor, or one too many. */
static int fd_take(struct msghdr *h, int *ret_fd)
{
	const struct cmsghdr *c = CMSG_FIRSTHDR(h);
	int fd = -1;

	if (ret_fd && c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
		c->cmsg_len == CMSG_LEN(sizeof(fd)))
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	if (h->msg_flags & MSG_CTRUNC) {
		fd_close(&fd);
		return -EPROTO;
	}
	if (fd < 0)
		return 0;
	fd_close(ret_fd);
	*ret_fd = fd;
	return 0;
}

WALL_CALL(main | worker, recvmsg);
WALL_CALL(main | worker, close);

static int bytes_receive(int fd, void *to, size_t len, int *ret_fd, int64_t end_ms)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} room;
	size_t done = 0;

	while (done < len) {
		struct iovec part = {(char *)to + done, len - done};
		struct msghdr h = {.msg_iov = &part, .msg_iovlen = 1};
		if (ret_fd) {
			/* The padding of CMSG_SPACE() would take a second descriptor. */
			h.msg_control = room.bytes;
			h.msg_controllen = CMSG_LEN(sizeof(int));
		}
		const ssize_t got = recvmsg(fd, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		int r = got > 0 ? fd_take(&h, ret_fd) : got == 0 ? -EPIPE : -errno;
		if (r == -EAGAIN)
			r = socket_await(fd, POLLIN, end_ms);
		if (r < 0 && r != -EINTR)
			return r;
		done += got > 0 ? (size_t)got : 0;
	}
	return 0;
}

static bool is_answer(
	const struct message_header *h, const struct vhost_user_message *m, uint32_t size)
{
	return h->request == m->request && (h->flags & VERSION_MASK) == VERSION &&
	       h->flags & FLAG_REPLY && h->size == size;
}

static int answer_receive(
	int fd, struct vhost_user_message *m, uint32_t size, int *ret_fd, int64_t end_ms)
{
	struct message_header head;

	int r = bytes_receive(fd, &head, sizeof(head), ret_fd, end_ms);
	if (r < 0)
		return r;
	if (!is_answer(&head, m, size))
		return -EPROTO;
	return bytes_receive(fd, &m->payload, size, ret_fd, end_ms);
}

int vhost_user_receive(
	int fd, struct vhost_user_message *m, uint32_t size, int *ret_fd, int64_t end_ms)
{
	struct wait_bound bound;

	if (ret_fd)
		*ret_fd = -1;
	/* The kernel closes what came without being asked for. */
	(void)wait_bound_begin(&bound);
	int r = answer_receive(fd, m, size, ret_fd, end_ms);
	if (r < 0 && ret_fd)
		fd_close(ret_fd);
	wait_bound_end(&bound);
	m->size = size;
	m->fd_count = 0;
	return r;
}
