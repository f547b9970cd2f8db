/* SPDX-License-Identifier: MIT */
#include "vmm/virtio/net_copy.h"

#include "base/bits.h"
#include "base/endian.h"
#include "base/num.h"
#include "vmm/virtio/net_filter.h"
#include "vmm/virtio/net_header.h"

#include <errno.h>
#include <linux/virtio_net.h>
#include <stddef.h>
#include <string.h>

#define TURN_FRAMES 128 /* then other devices have theirs */

bool net_copy_has_link(const struct net_copy *c)
{
	return !c->gone && !c->down;
}

void net_copy_lose(struct net_copy *c)
{
	if (c->gone)
		return;
	c->gone = true;
	c->receives = c->has_frame = false;
	log_warn(c->device->name, "%s is gone: the guest goes on without a link",
		c->line.stream ? "the user-mode network" : "the tap of a network card");
	virtio_config_changed(c->device);
}

void net_copy_reset(struct net_copy *c)
{
	c->receives = c->sends = c->has_frame = false;
	c->ack_count = 0;
}

/*
 * Puts the frame into @c->first and as many chains as it needs; @c->placed counts them.
 * Return: 1; 0: the driver has too few for now; -EMSGSIZE it fits into none; -EPROTO.
 */
static int frame_place(struct net_copy *c, struct virtq *q)
{
	const uint64_t size = NET_HEADER + (uint64_t)c->frame.size;
	const unsigned most =
		c->device->accepted & BIT64(VIRTIO_NET_F_MRG_RXBUF) ? NET_MERGE_MAX : 1;
	uint64_t placed = 0;

	for (c->placed = 0; placed < size;) {
		struct virtq_chain *chain = c->placed ? &c->chain : &c->first;
		if (c->placed == most)
			return -EMSGSIZE;
		int r = virtq_take(q, chain);
		if (r <= 0)
			return r;
		const uint64_t step = min_u64(chain->in_size, size - placed);
		const uint64_t header = c->placed ? 0 : NET_HEADER;
		c->done[c->placed++] = virtq_done_of(chain, (uint32_t)step);
		if (step < header)
			return -EMSGSIZE;
		(void)virtq_write(q, chain, header, c->frame.bytes + placed + header - NET_HEADER,
			step - header);
		placed += step;
	}
	return 1;
}

/* The number of chains goes into the first one before the driver sees any. */
static void frame_return(struct net_copy *c, struct virtq *q)
{
	le16_put(c->frame.header + offsetof(struct virtio_net_hdr_v1, num_buffers),
		(uint16_t)c->placed);
	(void)virtq_write(q, &c->first, 0, c->frame.header, NET_HEADER);
	virtq_return_together(q, c->done, c->placed);
}

/*
 * Return: true: the frame is done with; false: it waits for the driver, which rings when it has
 * listed more than there is now.
 */
static bool frame_deliver(struct net_copy *c)
{
	struct virtq *q = &c->device->queues[NET_RECEIVE];
	int r;

	while ((r = frame_place(c, q)) == 0) {
		const bool more = virtq_listen(q);
		virtq_untake(q, c->done, c->placed);
		if (!more)
			return false;
	}
	if (r == -EMSGSIZE) {
		virtq_untake(q, c->done, c->placed);
		log_guest(&c->misdeeds, c->device->name,
			"a frame of %u bytes does not fit into what the guest's driver lists",
			c->frame.size);
	}
	if (r > 0)
		frame_return(c, q);
	return r != -EPROTO;
}

/* The tap may have queued a frame for the driver of before, which had accepted more. */
static bool frame_is_wanted(const struct net_copy *c)
{
	struct virtio_net_hdr_v1 header;

	memcpy(&header, c->frame.header, sizeof(header));
	return net_header_is_wanted(c->device->accepted, &header);
}

/* Return: 1; 0 none is there; -errno the line is gone. */
static int frame_fetch(struct net_copy *c)
{
	if (c->has_frame)
		return 1;
	if (c->ack_count) {
		c->ack = c->acks[--c->ack_count];
		c->frame = (struct net_frame){.bytes = c->ack.bytes, .size = c->ack.size};
		c->has_frame = true;
		return 1;
	}
	int r = net_line_read(&c->line, &c->frame);
	if (r < 0)
		net_copy_lose(c);
	c->has_frame = r > 0;
	return r;
}

/* What a stream has in its buffer is not left there: its descriptor would not tell of it. */
void net_copy_receive(struct net_copy *c)
{
	virtq_silence(&c->device->queues[NET_RECEIVE]);
	c->receives = true;
	for (unsigned i = 0; i < TURN_FRAMES || net_line_has_frame(&c->line); i++) {
		if (frame_fetch(c) <= 0)
			break;
		if (frame_is_wanted(c) && !frame_deliver(c)) {
			c->receives = false;
			break;
		}
		c->has_frame = false;
	}
	virtio_returned(c->device, NET_RECEIVE);
}

/*
 * Reads the frame of the chain once, its first @most bytes or all. Return: its size with the
 * header; 0: it is not to be sent.
 */
static uint32_t frame_read(struct net_copy *c, struct virtq *q, uint64_t most)
{
	const struct virtq_chain *chain = &c->chain;
	struct virtio_net_hdr_v1 header;
	const char *fault = NULL;

	if (chain->out_size < NET_HEADER + NET_FRAME_MIN || chain->out_size > sizeof(c->out))
		fault = "has no such size";
	else if (virtq_read(q, chain, 0, c->out, min_u64(chain->out_size, most)) < 0)
		fault = "is not in RAM";
	if (!fault) {
		memcpy(&header, c->out, NET_HEADER);
		fault = net_header_fault(
			c->device->accepted, &header, (uint32_t)chain->out_size - NET_HEADER);
		memcpy(c->out, &header, NET_HEADER);
	}
	if (!fault)
		return (uint32_t)chain->out_size;
	log_guest(&c->misdeeds, c->device->name, "a frame of the guest's driver %s", fault);
	return 0;
}

static void chain_untake(const struct net_copy *c, struct virtq *q)
{
	const struct virtq_done done = virtq_done_of(&c->chain, 0);

	virtq_untake(q, &done, 1);
}

/* Return: 0 the chain is done with, -EAGAIN it waits. */
static int frame_write(struct net_copy *c, struct virtq *q)
{
	const uint32_t size = net_copy_has_link(c) ? frame_read(c, q, sizeof(c->out)) : 0;

	int r = size ? net_line_write(&c->line, c->out, size) : 0;
	if (r == -EAGAIN) {
		chain_untake(c, q);
		return r;
	}
	if (r < 0)
		net_copy_lose(c);
	virtq_return(q, &c->chain, 0);
	return 0;
}

/* Return: 0 the chains are done with, -EAGAIN they wait. */
static int batch_send(struct net_copy *c, struct virtq *q)
{
	struct net_batch *b = &c->batch;

	if (!b->count)
		return 0;
	int r = b->part_count ? net_line_send(&c->line, b->parts, b->part_count) : 0;
	if (r == -EAGAIN) {
		virtq_untake(q, b->done, b->count);
	} else {
		if (r < 0)
			net_copy_lose(c);
		virtq_return_together(q, b->done, b->count);
	}
	net_batch_clear(b);
	return r == -EAGAIN ? r : 0;
}

/* Likewise, of a frame for a stream. */
static uint32_t head_read(struct net_copy *c, struct virtq *q)
{
	const uint8_t *head = c->out + NET_HEADER;

	memset(c->out, 0, NET_HEADER + NET_BATCH_HEAD);
	const uint32_t size = frame_read(c, q, NET_HEADER + NET_BATCH_HEAD);
	if (!size || c->reaches_host || net_filter_passes(head, size - NET_HEADER))
		return size;
	log_guest(&c->misdeeds, c->device->name,
		"a frame of the guest's driver is for the host's loopback");
	return 0;
}

static int frame_add(struct net_copy *c, struct virtq *q)
{
	const uint32_t size = net_copy_has_link(c) ? head_read(c, q) : 0;

	int r = net_batch_add(&c->batch, q, &c->chain, NET_HEADER, c->out + NET_HEADER,
		size ? size - NET_HEADER : 0);
	if (r == -ENOBUFS) {
		chain_untake(c, q); /* it is the first of the next batch */
		return batch_send(c, q);
	}
	if (r == 0 && size && c->ack_count < NET_ACKS_MAX)
		c->ack_count += net_handshake_answer(c->out + NET_HEADER, &c->acks[c->ack_count]);
	if (r == 0)
		return 0;
	log_guest(&c->misdeeds, c->device->name, "a frame of the guest's driver %s",
		r == -E2BIG ? "is in too many pieces" : "is not in RAM");
	return net_batch_add(&c->batch, q, &c->chain, 0, NULL, 0);
}

/* Takes chains until there is none, or it is another device's turn. Return: 0, -EAGAIN, -EPROTO. */
static int frames_take(struct net_copy *c, struct virtq *q, unsigned *turn)
{
	int r = 0;

	while (r == 0 && *turn < TURN_FRAMES) {
		r = virtq_take(q, &c->chain);
		if (r <= 0)
			break;
		++*turn;
		r = c->line.stream ? frame_add(c, q) : frame_write(c, q);
	}
	const int sent = r == -EAGAIN ? r : batch_send(c, q);
	return r == 0 ? sent : r;
}

/* Return: false: more is left for the next turn. */
static bool frames_send(struct net_copy *c, struct virtq *q)
{
	unsigned turn = 0;
	int r;

	virtq_silence(q);
	do {
		r = frames_take(c, q, &turn);
		if (r == -EAGAIN || turn == TURN_FRAMES)
			return false;
	} while (r == 0 && virtq_listen(q));
	return true;
}

/* Without a link, frames are still taken from the driver, and lost. */
void net_copy_transmit(struct net_copy *c)
{
	c->sends = !frames_send(c, &c->device->queues[NET_TRANSMIT]);
	int r = net_line_flush(&c->line);
	if (r == -EAGAIN)
		c->sends = true;
	else if (r < 0)
		net_copy_lose(c);
	virtio_returned(c->device, NET_TRANSMIT);
	if (c->ack_count && net_copy_has_link(c) && virtio_is_going(c->device))
		net_copy_receive(c);
}
