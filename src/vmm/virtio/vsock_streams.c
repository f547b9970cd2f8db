/* SPDX-License-Identifier: MIT */
#include "vmm/virtio/vsock_streams.h"

#include "base/fd.h"
#include "base/num.h"
#include "vmm/virtio/queue.h"
#include "vmm/walls/mark.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define FIRST_PORT (1U << 30) /* of the host's ends; people and services choose small numbers */
#define BOTH (VSOCK_NO_RECEIVE | VSOCK_NO_SEND)

void vsock_streams_init(struct vsock_streams *t, struct loop *l, uint64_t cid,
	void (*ready)(struct loop_source *s, uint32_t events), void *owner)
{
	*t = (struct vsock_streams){
		.loop = l, .ready = ready, .owner = owner, .cid = cid, .next_port = FIRST_PORT};
	for (unsigned i = 0; i < VSOCK_STREAMS_MAX; i++)
		t->list[i].source.fd = -1;
}

WALL_CALL(main | worker, close);

static void socket_close(struct vsock_streams *t, struct vsock_stream *s)
{
	if (s->source.fd >= 0)
		loop_remove(t->loop, &s->source);
	fd_close(&s->source.fd);
}

static void stream_free(struct vsock_streams *t, struct vsock_stream *s)
{
	socket_close(t, s);
	free(s->kept);
	*s = (struct vsock_stream){.source.fd = -1};
}

void vsock_streams_close(struct vsock_streams *t)
{
	for (unsigned i = 0; i < VSOCK_STREAMS_MAX; i++)
		stream_free(t, &t->list[i]);
	t->reply_count = 0;
}

/* The guest is to learn that the connection is no more. */
static void stream_reset(struct vsock_streams *t, struct vsock_stream *s)
{
	socket_close(t, s);
	s->state = VSOCK_GONE;
	s->kept_count = 0;
	s->owed = VSOCK_OWES_RESET;
}

static struct vsock_stream *stream_new(struct vsock_streams *t, enum vsock_state state)
{
	for (unsigned i = 0; i < VSOCK_STREAMS_MAX; i++) {
		struct vsock_stream *s = &t->list[i];
		if (s->state != VSOCK_FREE)
			continue;
		*s = (struct vsock_stream){.owner = t->owner,
			.state = state,
			.ticket = ++t->tickets,
			.source = {.fd = -1}};
		return s;
	}
	return NULL;
}

/* Takes over @fd. */
static bool socket_watch(struct vsock_streams *t, struct vsock_stream *s, int fd)
{
	s->source = (struct loop_source){.fd = fd,
		.ready = t->ready,
		.events = (uint32_t)EPOLLIN | (uint32_t)EPOLLOUT | (uint32_t)EPOLLRDHUP |
			  (uint32_t)EPOLLET};
	if (loop_add(t->loop, &s->source, NULL) >= 0)
		return true;
	fd_close(&s->source.fd);
	return false;
}

bool vsock_streams_admit(struct vsock_streams *t, int fd)
{
	unsigned doors = 0;

	for (unsigned i = 0; i < VSOCK_STREAMS_MAX; i++)
		doors += t->list[i].state == VSOCK_DOOR;
	struct vsock_stream *s = doors < VSOCK_DOORS_MAX ? stream_new(t, VSOCK_DOOR) : NULL;
	if (!s) {
		fd_close(&fd);
		return false;
	}
	if (socket_watch(t, s, fd))
		return true;
	stream_free(t, s);
	return false;
}

static struct vsock_stream *stream_find(
	struct vsock_streams *t, uint32_t guest_port, uint32_t host_port)
{
	for (unsigned i = 0; i < VSOCK_STREAMS_MAX; i++) {
		struct vsock_stream *s = &t->list[i];
		if (s->state != VSOCK_FREE && s->state != VSOCK_DOOR &&
			s->guest_port == guest_port && s->host_port == host_port)
			return s;
	}
	return NULL;
}

static uint32_t port_choose(struct vsock_streams *t, uint32_t guest_port)
{
	uint32_t port;

	do {
		port = t->next_port;
		t->next_port = port == UINT32_MAX - 1 ? FIRST_PORT : port + 1;
	} while (stream_find(t, guest_port, port));
	return port;
}

static void door_serve(struct vsock_streams *t, struct vsock_stream *s)
{
	uint32_t port;

	int r = vsock_stream_read_door(s, &port);
	if (r < 0) {
		stream_free(t, s);
	} else if (r > 0) {
		s->host_port = port_choose(t, port);
		s->guest_port = port;
		s->state = VSOCK_ASKED;
		s->owed = VSOCK_OWES_REQUEST;
	}
}

WALL_CALL(main, shutdown);

/* What the guest has said about the end of its bytes, once the host's program has them all. */
static void stream_settle(struct vsock_streams *t, struct vsock_stream *s)
{
	if (s->state != VSOCK_OPEN || s->kept_count || !(s->guest_ends & VSOCK_NO_SEND))
		return;
	if (s->guest_ends == BOTH)
		stream_reset(t, s);
	else
		(void)shutdown(s->source.fd, SHUT_WR);
}

static void stream_flush(struct vsock_streams *t, struct vsock_stream *s)
{
	if (vsock_stream_flush(s) < 0)
		stream_reset(t, s);
	else
		stream_settle(t, s);
}

/* Before the guest has learnt of it, nothing of it is left. */
static void asked_leave(struct vsock_streams *t, struct vsock_stream *s)
{
	if (s->owed & VSOCK_OWES_REQUEST)
		stream_free(t, s);
	else
		stream_reset(t, s);
}

void vsock_streams_notice(struct vsock_streams *t, struct vsock_stream *s, uint32_t events)
{
	if (s->source.fd < 0)
		return;
	s->hung = s->hung || events & (EPOLLHUP | EPOLLERR);
	s->readable = s->readable || s->hung || events & (EPOLLIN | EPOLLRDHUP);
	s->writable = s->writable || s->hung || events & EPOLLOUT;
	if (s->state == VSOCK_DOOR && s->readable)
		door_serve(t, s);
	else if (s->state == VSOCK_ASKED && s->hung)
		asked_leave(t, s);
	else if (s->state == VSOCK_OPEN && s->kept_count)
		stream_flush(t, s);
}

bool vsock_streams_calls(const struct vsock_streams *t)
{
	for (unsigned i = 0; i < VSOCK_STREAMS_MAX; i++)
		if (t->list[i].state == VSOCK_CALLING && !t->list[i].asked)
			return true;
	return false;
}

struct vsock_stream *vsock_streams_calling(struct vsock_streams *t)
{
	for (unsigned i = 0; i < VSOCK_STREAMS_MAX; i++) {
		struct vsock_stream *s = &t->list[i];
		if (s->state != VSOCK_CALLING || s->asked)
			continue;
		s->asked = true;
		return s;
	}
	return NULL;
}

void vsock_streams_called(struct vsock_streams *t, struct vsock_stream *s, uint64_t ticket, int fd)
{
	if (s->ticket != ticket || s->state != VSOCK_CALLING) {
		fd_close(&fd);
		return;
	}
	s->state = VSOCK_OPEN;
	s->owed = VSOCK_OWES_RESPONSE;
	if (fd < 0 || !socket_watch(t, s, fd))
		stream_reset(t, s);
}

bool vsock_streams_has_room(const struct vsock_streams *t)
{
	return t->reply_count < VSOCK_REPLIES_MAX;
}

/* Of a packet that belongs to no connection. */
static void reset_reply(struct vsock_streams *t, const struct vsock_packet *p)
{
	const unsigned at = (t->reply_start + t->reply_count) % VSOCK_REPLIES_MAX;

	if (p->op == VSOCK_OP_RESET || !vsock_streams_has_room(t))
		return;
	t->replies[at] = (struct vsock_packet){.source_cid = p->target_cid,
		.target_cid = p->source_cid,
		.source_port = p->target_port,
		.target_port = p->source_port,
		.type = p->type,
		.op = VSOCK_OP_RESET};
	t->reply_count++;
}

static void request_take(struct vsock_streams *t, const struct vsock_packet *p)
{
	struct vsock_stream *s = stream_new(t, VSOCK_CALLING);

	if (!s) {
		reset_reply(t, p);
		return;
	}
	s->guest_port = p->source_port;
	s->host_port = p->target_port;
	s->guest_room = p->room;
	s->guest_taken = p->taken;
}

static void shutdown_take(
	struct vsock_streams *t, struct vsock_stream *s, const struct vsock_packet *p)
{
	s->guest_ends |= p->flags & BOTH;
	if (s->state != VSOCK_OPEN) {
		stream_reset(t, s);
		return;
	}
	if (s->guest_ends & VSOCK_NO_RECEIVE)
		(void)shutdown(s->source.fd, SHUT_RD);
	stream_settle(t, s);
}

static void bytes_take(struct vsock_streams *t, struct vsock_stream *s,
	const struct vsock_packet *p, const struct virtq *q, const struct virtq_chain *c)
{
	if (s->state != VSOCK_OPEN || s->guest_ends & VSOCK_NO_SEND ||
		vsock_stream_take(s, p, q, c) < 0)
		stream_reset(t, s);
}

static void response_take(struct vsock_streams *t, struct vsock_stream *s)
{
	if (s->state != VSOCK_ASKED || s->owed & VSOCK_OWES_REQUEST) {
		stream_reset(t, s);
		return;
	}
	s->state = VSOCK_OPEN;
	vsock_stream_answer_door(s);
}

static void stream_take(struct vsock_streams *t, struct vsock_stream *s,
	const struct vsock_packet *p, const struct virtq *q, const struct virtq_chain *c)
{
	s->guest_room = p->room;
	s->guest_taken = p->taken;
	switch (p->op) {
	case VSOCK_OP_RESPONSE:
		response_take(t, s);
		break;
	case VSOCK_OP_RESET:
		stream_free(t, s);
		break;
	case VSOCK_OP_SHUTDOWN:
		shutdown_take(t, s, p);
		break;
	case VSOCK_OP_BYTES:
		bytes_take(t, s, p, q, c);
		break;
	case VSOCK_OP_CREDIT:
		break;
	case VSOCK_OP_ASK_CREDIT:
		s->owed |= VSOCK_OWES_CREDIT;
		break;
	default: /* a second REQUEST, or what is none */
		stream_reset(t, s);
	}
}

void vsock_streams_take(struct vsock_streams *t, const struct vsock_packet *p,
	const struct virtq *q, const struct virtq_chain *c)
{
	const bool is_ours = p->source_cid == t->cid && p->target_cid == VSOCK_CID_HOST &&
			     p->type == VSOCK_TYPE_STREAM;
	struct vsock_stream *s = is_ours ? stream_find(t, p->source_port, p->target_port) : NULL;

	/* A guest that gives another sender gets no answer: nobody knows that sender. */
	if (p->source_cid != t->cid)
		return;
	if (s && s->state == VSOCK_GONE && p->op != VSOCK_OP_RESET)
		return; /* it is to learn that */
	if (s)
		stream_take(t, s, p, q, c);
	else if (is_ours && p->op == VSOCK_OP_REQUEST)
		request_take(t, p);
	else
		reset_reply(t, p);
}

/* What the guest does not know yet of the end of the host's bytes. */
static unsigned ends_untold(const struct vsock_stream *s)
{
	const unsigned ends = s->ended ? VSOCK_NO_SEND | (s->hung ? VSOCK_NO_RECEIVE : 0U) : 0U;

	return s->state == VSOCK_OPEN ? ends & ~s->told : 0;
}

static bool has_bytes(const struct vsock_stream *s)
{
	return s->state == VSOCK_OPEN && s->readable && !s->ended &&
	       !(s->guest_ends & VSOCK_NO_RECEIVE) && !(s->owed & VSOCK_OWES_RESPONSE) &&
	       vsock_stream_credit(s);
}

static bool stream_wants(const struct vsock_stream *s)
{
	return s->owed || ends_untold(s) || has_bytes(s);
}

bool vsock_streams_wants(const struct vsock_streams *t)
{
	if (t->reply_count)
		return true;
	for (unsigned i = 0; i < VSOCK_STREAMS_MAX; i++)
		if (stream_wants(&t->list[i]))
			return true;
	return false;
}

static struct vsock_packet packet_of(
	struct vsock_streams *t, struct vsock_stream *s, enum vsock_op op)
{
	s->told_delivered = s->delivered;
	s->owed &= ~(unsigned)VSOCK_OWES_CREDIT;
	return (struct vsock_packet){.source_cid = VSOCK_CID_HOST,
		.target_cid = t->cid,
		.source_port = s->host_port,
		.target_port = s->guest_port,
		.type = VSOCK_TYPE_STREAM,
		.op = (uint16_t)op,
		.room = VSOCK_ROOM,
		.taken = s->delivered};
}

static struct vsock_packet owed_make(struct vsock_streams *t, struct vsock_stream *s)
{
	static const struct {
		enum vsock_owed owed;
		enum vsock_op op;
	} rows[] = {{VSOCK_OWES_RESET, VSOCK_OP_RESET}, {VSOCK_OWES_REQUEST, VSOCK_OP_REQUEST},
		{VSOCK_OWES_RESPONSE, VSOCK_OP_RESPONSE}};
	struct vsock_packet p;

	for (unsigned i = 0; i < COUNT(rows); i++) {
		if (!(s->owed & rows[i].owed))
			continue;
		s->owed &= ~(unsigned)rows[i].owed;
		return packet_of(t, s, rows[i].op);
	}
	if (s->owed || !ends_untold(s))
		return packet_of(t, s, VSOCK_OP_CREDIT);
	s->told |= ends_untold(s);
	p = packet_of(t, s, VSOCK_OP_SHUTDOWN);
	p.flags = s->told;
	return p;
}

/* Return: as vsock_streams_give(). */
static int64_t bytes_give(struct vsock_streams *t, struct vsock_stream *s, const struct virtq *q,
	const struct virtq_chain *c)
{
	const ssize_t size = vsock_stream_give(s, q, c);

	if (size == -EPIPE)
		stream_reset(t, s);
	if (size <= 0)
		return size == -EPIPE ? 0 : size;
	struct vsock_packet p = packet_of(t, s, VSOCK_OP_BYTES);
	p.size = (uint32_t)size;
	return vsock_packet_write(q, c, &p) < 0 ? -EFAULT : VSOCK_HEADER + size;
}

static int64_t stream_give(struct vsock_streams *t, struct vsock_stream *s, const struct virtq *q,
	const struct virtq_chain *c)
{
	const int64_t size = has_bytes(s) ? bytes_give(t, s, q, c) : 0;

	if (size || !(s->owed || ends_untold(s)))
		return size;
	const struct vsock_packet p = owed_make(t, s);
	if (p.op == VSOCK_OP_RESET)
		stream_free(t, s);
	return vsock_packet_write(q, c, &p) < 0 ? -EFAULT : VSOCK_HEADER;
}

static int64_t reply_give(
	struct vsock_streams *t, const struct virtq *q, const struct virtq_chain *c)
{
	const struct vsock_packet *p = &t->replies[t->reply_start];

	t->reply_start = (t->reply_start + 1) % VSOCK_REPLIES_MAX;
	t->reply_count--;
	return vsock_packet_write(q, c, p) < 0 ? -EFAULT : VSOCK_HEADER;
}

int64_t vsock_streams_give(
	struct vsock_streams *t, const struct virtq *q, const struct virtq_chain *c)
{
	/* A buffer for a header alone would bring no bytes: a driver makes none. */
	if (c->in_size <= VSOCK_HEADER)
		return -EFAULT;
	if (t->reply_count)
		return reply_give(t, q, c);
	for (unsigned i = 0; i < VSOCK_STREAMS_MAX; i++) {
		struct vsock_stream *s = &t->list[(t->turn + i) % VSOCK_STREAMS_MAX];
		const int64_t size = stream_wants(s) ? stream_give(t, s, q, c) : 0;
		if (!size)
			continue;
		t->turn = (t->turn + i + 1) % VSOCK_STREAMS_MAX;
		return size;
	}
	return 0;
}
