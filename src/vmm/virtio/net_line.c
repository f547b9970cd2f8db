/* SPDX-License-Identifier: MIT */
#include "vmm/virtio/net_line.h"

#include "base/endian.h"
#include "base/err.h"
#include "base/fd.h"
#include "vmm/walls/mark.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define LENGTH 4 /* [bytes] before each frame of a stream */

WALL_CALL(main, fcntl, F_SETFL);

int net_line_init(struct net_line *l, int fd, bool stream, struct err *e)
{
	*l = (struct net_line){.fd = fd, .stream = stream};
	if (fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK) < 0)
		return err_set(e, -errno, "use the line of a network card");
	l->in = malloc(NET_STREAM_ROOM);
	l->out = stream ? malloc(NET_STREAM_ROOM) : NULL;
	return !l->in || (stream && !l->out) ? err_set(e, -ENOMEM, "make a virtio-net") : 0;
}

WALL_CALL(main, close);

void net_line_fini(struct net_line *l)
{
	fd_close(&l->fd);
	free(l->in);
	free(l->out);
	l->in = l->out = NULL;
}

WALL_CALL(main, poll);

/* The kernel tells of a closed socket and a removed tap in any case: no event is asked for. */
bool net_line_has_peer(const struct net_line *l)
{
	struct pollfd p = {.fd = l->fd};

	return l->fd >= 0 && (poll(&p, 1, 0) <= 0 || !(p.revents & (POLLHUP | POLLERR)));
}

static bool is_transient(int error)
{
	return error == EAGAIN || error == EINTR || error == ENOBUFS || error == ENOMEM;
}

WALL_CALL(main, read);

static int tap_read(struct net_line *l, struct net_frame *ret)
{
	const ssize_t count = read(l->fd, l->in, NET_HEADER + NET_FRAME_MAX);

	if (count < 0)
		return is_transient(errno) ? 0 : -EPIPE;
	if (count < NET_HEADER)
		return -EPROTO;
	memcpy(ret->header, l->in, NET_HEADER);
	ret->bytes = l->in + NET_HEADER;
	ret->size = (uint32_t)count - NET_HEADER;
	return 1;
}

/* The length of the frame that comes next; 0: it is not there yet. */
static uint32_t stream_length(const struct net_line *l)
{
	uint32_t length = 0;

	if (l->in_end - l->in_start < LENGTH)
		return 0;
	memcpy(&length, l->in + l->in_start, LENGTH);
	return be32toh(length);
}

static bool length_is_possible(uint32_t length)
{
	return length >= NET_FRAME_MIN && length <= NET_FRAME_MAX;
}

bool net_line_has_frame(const struct net_line *l)
{
	const uint32_t length = l->stream ? stream_length(l) : 0;

	return length && l->in_end - l->in_start - LENGTH >= length;
}

WALL_CALL(main, read);

/*
 * There is always room for a whole frame. After a read that brought less than there was room for,
 * the next one would find nothing: it is saved. Return: 1 something came.
 */
static int stream_fill(struct net_line *l)
{
	memmove(l->in, l->in + l->in_start, l->in_end - l->in_start);
	l->in_end -= l->in_start;
	l->in_start = 0;
	const size_t room = NET_STREAM_ROOM - l->in_end;
	if (l->drained) {
		l->drained = false;
		return 0;
	}
	const ssize_t count = read(l->fd, l->in + l->in_end, room);
	if (count < 0)
		return is_transient(errno) ? 0 : -EPIPE;
	l->drained = count && (size_t)count < room;
	l->in_end += (size_t)count;
	return count ? 1 : -EPIPE;
}

static int stream_read(struct net_line *l, struct net_frame *ret)
{
	int r = net_line_has_frame(l) ? 1 : stream_fill(l);

	if (r <= 0)
		return r;
	if (l->in_end - l->in_start < LENGTH)
		return 0;
	if (!length_is_possible(stream_length(l)))
		return -EPROTO;
	if (!net_line_has_frame(l))
		return 0;
	memset(ret->header, 0, NET_HEADER);
	ret->size = stream_length(l);
	ret->bytes = l->in + l->in_start + LENGTH;
	l->in_start += LENGTH + ret->size;
	return 1;
}

int net_line_read(struct net_line *l, struct net_frame *ret)
{
	if (l->fd < 0)
		return -EPIPE;
	return l->stream ? stream_read(l, ret) : tap_read(l, ret);
}

WALL_CALL(main, sendmsg);

int net_line_flush(struct net_line *l)
{
	while (l->fd >= 0 && l->out_start < l->out_end) {
		struct iovec rest = {l->out + l->out_start, l->out_end - l->out_start};
		const struct msghdr m = {.msg_iov = &rest, .msg_iovlen = 1};
		const ssize_t count = sendmsg(l->fd, &m, MSG_NOSIGNAL);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return is_transient(errno) ? -EAGAIN : -EPIPE;
		l->out_start += (size_t)count;
	}
	l->out_start = l->out_end = 0;
	return 0;
}

/* What the socket did not take of a batch: the guest's memory may change before it does. */
static void rest_keep(struct net_line *l, const struct iovec *parts, unsigned count, size_t sent)
{
	for (unsigned i = 0; i < count; i++) {
		const size_t gone = sent < parts[i].iov_len ? sent : parts[i].iov_len;
		const size_t rest = parts[i].iov_len - gone;
		sent -= gone;
		if (!rest)
			continue;
		memcpy(l->out + l->out_end, (const uint8_t *)parts[i].iov_base + gone, rest);
		l->out_end += rest;
	}
}

int net_line_send(struct net_line *l, struct iovec *parts, unsigned count)
{
	const struct msghdr m = {.msg_iov = parts, .msg_iovlen = count};
	ssize_t sent;

	if (l->fd < 0)
		return -EPIPE;
	int r = net_line_flush(l);
	if (r < 0)
		return r;
	do
		sent = sendmsg(l->fd, &m, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return is_transient(errno) ? -EAGAIN : -EPIPE;
	rest_keep(l, parts, count, (size_t)sent);
	return 0;
}

WALL_CALL(main, write);

/* A tap that is down, or has another idea of a frame, refuses it: that frame is lost. */
static int tap_write(struct net_line *l, const uint8_t *header_and_frame, size_t size)
{
	if (write(l->fd, header_and_frame, size) >= 0)
		return 0;
	if (errno == EAGAIN)
		return -EAGAIN;
	return errno == EBADFD ? -EPIPE : 0;
}

int net_line_write(struct net_line *l, const uint8_t *header_and_frame, size_t size)
{
	return l->fd < 0 ? -EPIPE : tap_write(l, header_and_frame, size);
}

WALL_CALL(main, ioctl, TUNSETOFFLOAD);

void net_line_set_offload(struct net_line *l, unsigned flags)
{
	if (!l->stream && l->fd >= 0)
		(void)ioctl(l->fd, TUNSETOFFLOAD, (unsigned long)flags);
}
