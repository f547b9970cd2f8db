/* SPDX-License-Identifier: MIT */
#include "vmm/virtio/console_port.h"

#include "base/fd.h"
#include "base/num.h"
#include "vmm/lock.h"
#include "vmm/walls/mark.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>

/* Under the lock. Takes the next chain of queue @n. Return: false: there is none. */
static bool chain_take(struct console_port *p, unsigned n, struct virtq_chain *ret)
{
	struct virtq *q = &p->device->queues[n];
	int r;

	if (!virtio_is_going(p->device))
		return false;
	virtq_silence(q);
	do
		r = virtq_take(q, ret);
	while (r == 0 && virtq_listen(q));
	if (r < 0)
		virtio_returned(p->device, n);
	return r > 0;
}

static void chain_return(
	struct console_port *p, unsigned n, const struct virtq_chain *c, uint32_t written)
{
	virtq_return(&p->device->queues[n], c, written);
	virtio_returned(p->device, n);
}

/* Under the lock. Whether a chain to send is there. */
static bool out_find(struct console_port *p)
{
	const struct virtq *q = &p->device->queues[p->out];

	if (p->out_held && p->out_chain.generation == q->generation)
		return true;
	p->out_off = 0;
	p->out_held = chain_take(p, p->out, &p->out_chain);
	return p->out_held;
}

/*
 * Under the lock. Copies the next piece of the chain, and returns the chain after the last one, or
 * when it is not in RAM. Return: false: there is no chain.
 */
static bool piece_take(struct console_port *p)
{
	const struct virtq *q = &p->device->queues[p->out];
	struct virtq_chain *c = &p->out_chain;

	p->piece_len = p->piece_sent = 0;
	if (!out_find(p))
		return false;
	const size_t len = (size_t)min_u64(c->out_size - p->out_off, sizeof(p->piece));
	const int r = virtq_read(q, c, p->out_off, p->piece, len);
	if (r == 0) {
		p->out_off += len;
		p->piece_len = len;
		if (p->heard)
			p->heard(p, p->piece, len);
	}
	if (r < 0 || p->out_off == c->out_size) {
		p->out_held = false;
		chain_return(p, p->out, c, 0);
	}
	return true;
}

/* Return: [bytes] moved, and one for each chain; 0: all is sent, or the end has no room. */
static size_t output_move(struct console_port *p, bool *ret_stuck)
{
	if (p->piece_sent == p->piece_len) {
		lock_take(p->device->lock);
		const bool found = piece_take(p);
		lock_drop(p->device->lock);
		if (!found)
			return 0;
	}
	const size_t len = p->piece_len - p->piece_sent;
	const size_t sent = len ? p->end->send(p->end, p->piece + p->piece_sent, len) : 0;
	p->piece_sent += sent;
	*ret_stuck = sent < len;
	return *ret_stuck ? 0 : sent + 1;
}

/* A buffer without room is of no use to anybody, and a driver may list many of them. */
size_t console_port_room(struct console_port *p)
{
	const struct virtq *q = &p->device->queues[p->in];

	if (!p->reads)
		return 0;
	p->in_held = p->in_held && p->in_chain.generation == q->generation;
	for (unsigned i = 0; i < VIRTQ_SIZE_MAX && !p->in_held; i++) {
		if (!chain_take(p, p->in, &p->in_chain))
			return 0;
		p->in_held = p->in_chain.in_size > 0;
		if (!p->in_held)
			chain_return(p, p->in, &p->in_chain, 0);
	}
	return p->in_held ? (size_t)min_u64(p->in_chain.in_size, CONSOLE_PIECE) : 0;
}

void console_port_receive(struct console_port *p, const uint8_t *bytes, size_t len)
{
	const struct virtq *q = &p->device->queues[p->in];

	/* After a reset there is nobody who waits for it. */
	if (!p->in_held || p->in_chain.generation != q->generation)
		return;
	len = (size_t)min_u64(len, p->in_chain.in_size);
	if (virtq_write(q, &p->in_chain, 0, bytes, len) < 0)
		len = 0;
	p->in_held = false;
	chain_return(p, p->in, &p->in_chain, (uint32_t)len);
}

/* Return: [bytes] moved; 0: there is no input, or the guest has no room for it. */
static size_t input_move(struct console_port *p, bool *ret_open, bool *ret_room)
{
	lock_take(p->device->lock);
	const size_t room = console_port_room(p);
	*ret_open = p->reads;
	lock_drop(p->device->lock);
	*ret_room = room > 0;
	const size_t len = room ? p->end->receive(p->end, p->input, room) : 0;
	if (!len)
		return 0;
	lock_take(p->device->lock);
	console_port_receive(p, p->input, len);
	lock_drop(p->device->lock);
	return len;
}

bool console_port_serve(struct console_port *p)
{
	size_t sent = 0, received = 0, step = 1;
	bool stuck = false, open = false, room = false;

	while (step && sent < CONSOLE_BUDGET)
		sent += step = output_move(p, &stuck);
	step = 1;
	while (step && received < CONSOLE_BUDGET)
		received += step = input_move(p, &open, &room);
	if (p->end->want)
		p->end->want(p->end, open, room, stuck);
	return sent >= CONSOLE_BUDGET || received >= CONSOLE_BUDGET;
}

WALL_CALL(main, fcntl, F_DUPFD_CLOEXEC);

bool console_bell_watch(struct console_bell *b, struct loop *l, int eventfd,
	void (*ready)(struct loop_source *s, uint32_t events))
{
	b->loop = l;
	b->source = (struct loop_source){.fd = fcntl(eventfd, F_DUPFD_CLOEXEC, 0), .ready = ready};
	if (b->source.fd < 0)
		return false;
	if (loop_add(l, &b->source, NULL) == 0)
		return true;
	fd_close(&b->source.fd);
	return false;
}

void console_bell_ring(const struct console_bell *b)
{
	if (b->source.fd >= 0)
		(void)eventfd_write(b->source.fd, 1);
}

WALL_CALL(main, close);

void console_bell_mute(struct console_bell *b)
{
	if (b->source.fd < 0 || !b->loop)
		return;
	loop_remove(b->loop, &b->source);
	loop_settle(b->loop);
	b->loop = NULL;
}

void console_bell_close(struct console_bell *b)
{
	console_bell_mute(b);
	fd_close(&b->source.fd);
}
