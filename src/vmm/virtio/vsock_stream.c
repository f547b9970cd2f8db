/* SPDX-License-Identifier: MIT */
#include "vmm/virtio/vsock_stream.h"

#include "base/num.h"
#include "vmm/virtio/queue.h"
#include "vmm/virtio/vsock_packet.h"
#include "vmm/walls/mark.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define PARTS_MAX 32 /* of a chain that the kernel reads or fills at once */
#define CREDIT_STEP (VSOCK_ROOM / 2) /* the guest learns of so many bytes that have left */

uint32_t vsock_stream_credit(const struct vsock_stream *s)
{
	const uint32_t there = s->sent - s->guest_taken;

	return there < s->guest_room ? s->guest_room - there : 0;
}

static void bytes_leave(struct vsock_stream *s, uint32_t count)
{
	s->delivered += count;
	if (s->delivered - s->told_delivered >= CREDIT_STEP)
		s->owed |= VSOCK_OWES_CREDIT;
}

WALL_CALL(main, sendmsg);

/* Return: how much the socket took; -EPIPE. */
static ssize_t socket_send(struct vsock_stream *s, struct iovec *parts, unsigned count)
{
	const struct msghdr m = {.msg_iov = parts, .msg_iovlen = count};
	ssize_t sent;

	do
		sent = sendmsg(s->source.fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent >= 0)
		return sent;
	if (errno != EAGAIN)
		return -EPIPE;
	s->writable = false;
	return 0;
}

int vsock_stream_flush(struct vsock_stream *s)
{
	while (s->kept_count && s->writable) {
		const uint32_t first = (uint32_t)min_u64(s->kept_count, VSOCK_ROOM - s->kept_start);
		struct iovec parts[] = {
			{s->kept + s->kept_start, first}, {s->kept, s->kept_count - first}};
		const ssize_t sent = socket_send(s, parts, COUNT(parts));
		if (sent < 0)
			return (int)sent;
		s->kept_start = (s->kept_start + (uint32_t)sent) % VSOCK_ROOM;
		s->kept_count -= (uint32_t)sent;
		bytes_leave(s, (uint32_t)sent);
	}
	return 0;
}

/* What of the payload goes into the socket at once. Return: how much; -EPIPE. */
static ssize_t payload_send(
	struct vsock_stream *s, uint32_t size, const struct virtq *q, const struct virtq_chain *c)
{
	struct iovec parts[PARTS_MAX];

	if (!size || s->kept_count || !s->writable)
		return 0;
	const int count = virtq_iov(q, c, false, VSOCK_HEADER, size, parts, PARTS_MAX);
	return count < 0 ? 0 : socket_send(s, parts, (unsigned)count);
}

/* There is room: that was checked. Return: 0, -ENOMEM, -EFAULT. */
static int payload_keep(struct vsock_stream *s, uint32_t off, uint32_t size, const struct virtq *q,
	const struct virtq_chain *c)
{
	if (!s->kept)
		s->kept = malloc(VSOCK_ROOM);
	if (!s->kept)
		return -ENOMEM;
	while (off < size) {
		const uint32_t at = (s->kept_start + s->kept_count) % VSOCK_ROOM;
		const uint32_t step = (uint32_t)min_u64(size - off, VSOCK_ROOM - at);
		int r = virtq_read(q, c, VSOCK_HEADER + (uint64_t)off, s->kept + at, step);
		if (r < 0)
			return r;
		s->kept_count += step;
		off += step;
	}
	return 0;
}

int vsock_stream_take(struct vsock_stream *s, const struct vsock_packet *p, const struct virtq *q,
	const struct virtq_chain *c)
{
	if (p->size > VSOCK_ROOM - (s->received - s->delivered))
		return -ENOBUFS;
	const ssize_t sent = payload_send(s, p->size, q, c);
	if (sent < 0)
		return (int)sent;
	s->received += p->size;
	bytes_leave(s, (uint32_t)sent);
	return (uint32_t)sent < p->size ? payload_keep(s, (uint32_t)sent, p->size, q, c) : 0;
}

WALL_CALL(main, recvmsg);

static ssize_t socket_receive(
	struct vsock_stream *s, struct iovec *parts, unsigned count, int flags)
{
	struct msghdr m = {.msg_iov = parts, .msg_iovlen = count};
	ssize_t got;

	do
		got = recvmsg(s->source.fd, &m, MSG_DONTWAIT | flags);
	while (got < 0 && errno == EINTR);
	if (got >= 0)
		return got;
	if (errno != EAGAIN)
		return -EPIPE;
	s->readable = false;
	return -EAGAIN;
}

/* The longest beginning of the chain's room that lies in RAM in not too many parts. */
static int room_find(uint64_t size, const struct virtq *q, const struct virtq_chain *c,
	struct iovec parts[PARTS_MAX])
{
	int count = virtq_iov(q, c, true, VSOCK_HEADER, size, parts, PARTS_MAX);

	while (count == -E2BIG && size > 1) {
		size /= 2;
		count = virtq_iov(q, c, true, VSOCK_HEADER, size, parts, PARTS_MAX);
	}
	return count;
}

ssize_t vsock_stream_give(
	struct vsock_stream *s, const struct virtq *q, const struct virtq_chain *c)
{
	struct iovec parts[PARTS_MAX];
	/* The guest chooses both, and recvmsg(2) goes on as long as the host's program writes. */
	const uint64_t most = min_u64(vsock_stream_credit(s), VSOCK_ROOM);
	const uint64_t size = min_u64(c->in_size - VSOCK_HEADER, most);

	const int count = room_find(size, q, c, parts);
	if (count <= 0)
		return count < 0 ? -EFAULT : 0;
	const ssize_t got = socket_receive(s, parts, (unsigned)count, 0);
	if (got == 0)
		s->ended = true;
	if (got <= 0)
		return got == -EAGAIN ? 0 : got;
	s->sent += (uint32_t)got;
	return got;
}

static int line_parse(const char *line, uint32_t *ret_port)
{
	static const char word[] = "CONNECT ";
	uint64_t port;

	if (strncmp(line, word, sizeof(word) - 1) != 0 ||
		num_parse(line + sizeof(word) - 1, 10, UINT32_MAX, &port) < 0)
		return -EPROTO;
	*ret_port = (uint32_t)port;
	return 1;
}

/* What comes behind the line is for the guest, so it stays in the socket. */
int vsock_stream_read_door(struct vsock_stream *s, uint32_t *ret_port)
{
	char line[VSOCK_LINE_MAX + 1];
	struct iovec part = {line, VSOCK_LINE_MAX};

	ssize_t got = socket_receive(s, &part, 1, MSG_PEEK);
	if (got <= 0)
		return got == -EAGAIN ? 0 : -EPIPE;
	char *end = memchr(line, '\n', (size_t)got);
	/* More of it is the next edge. */
	if (!end)
		return got < VSOCK_LINE_MAX ? 0 : -EPROTO;
	part.iov_len = (size_t)(end - line) + 1;
	got = socket_receive(s, &part, 1, 0);
	if (got != (ssize_t)part.iov_len)
		return -EPIPE;
	*end = '\0';
	return line_parse(line, ret_port);
}

void vsock_stream_answer_door(struct vsock_stream *s)
{
	char line[VSOCK_LINE_MAX];
	const int len = snprintf(line, sizeof(line), "OK %" PRIu32 "\n", s->host_port);
	struct iovec part = {line, (size_t)len};

	/* The first bytes of a socket always have room. */
	(void)socket_send(s, &part, 1);
}
