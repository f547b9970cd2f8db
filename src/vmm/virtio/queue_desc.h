/* SPDX-License-Identifier: MIT */
#ifndef VMM_VIRTIO_QUEUE_DESC_H
#define VMM_VIRTIO_QUEUE_DESC_H

/*
 * Descriptors, for the two forms of a ring (vmm/virtio/queue.c, vmm/virtio/queue_packed.c). Both
 * have 16 bytes, with the address and the size in the same place. Inline: hot path.
 */
#include "vmm/copy.h"
#include "vmm/virtio/queue.h"

#include <errno.h>
#include <linux/virtio_ring.h>

#define DESC_SIZE 16

static inline int virtq_break(struct virtq *q, const char *why)
{
	q->broken = true;
	q->why = why;
	return -EPROTO;
}

/* A descriptor, read once. */
struct desc {
	uint64_t address;
	uint32_t size;
	uint16_t flags;
	uint16_t next; /* split form alone */
};

/* The halves of the descriptor at @at. @tail, with its flags, is read before the address. */
static inline int desc_halves_read(struct virtq *q, uint64_t at, uint64_t *address, uint64_t *tail)
{
	if (memory_le64_pair_get(q->memory, GPA(at), address, tail) < 0)
		return virtq_break(q, "a table of descriptors is not in RAM");
	return 0;
}

static inline int part_add(struct virtq *q, struct virtq_chain *c, const struct desc *d)
{
	const bool in = d->flags & VRING_DESC_F_WRITE;

	if (c->part_count == VIRTQ_PARTS_MAX)
		return virtq_break(q, "a chain has more descriptors than the queue, or is a loop");
	if (!in && c->out_count < c->part_count)
		return virtq_break(q, "a descriptor to read from comes after one to write to");
	c->parts[c->part_count++] = (struct virtq_part){GPA(d->address), d->size};
	if (in) {
		c->in_size += d->size;
	} else {
		c->out_count++;
		c->out_size += d->size;
	}
	return 0;
}

/* Ref: virtio 1.2, 2.7.5.3 and 2.8.7: it is the last of its chain, and its table has a size. */
static inline int indirect_check(struct virtq *q, const struct desc *d)
{
	if (!q->indirect)
		return virtq_break(q, "an indirect descriptor is where none may be");
	if (d->flags & VRING_DESC_F_NEXT)
		return virtq_break(q, "an indirect descriptor goes on");
	if (!d->size || d->size % DESC_SIZE || d->address > UINT64_MAX - d->size)
		return virtq_break(q, "an indirect table has no such size");
	return 0;
}

/* Of a chain that is about to be taken. */
static inline void chain_clear(const struct virtq *q, struct virtq_chain *c)
{
	c->generation = q->generation;
	c->out_count = c->part_count = 0;
	c->out_size = c->in_size = 0;
}

#endif
