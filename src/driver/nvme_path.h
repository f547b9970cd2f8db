/* SPDX-License-Identifier: MIT */
#ifndef DRIVER_NVME_PATH_H
#define DRIVER_NVME_PATH_H

#include "driver/nvme_queue.h"

#include <endian.h>
#include <errno.h>

/*
 * Hot path: a command from its buffer to its completion, inline in the caller's code. What is rare
 * is a call into nvme_queue.c. `./dev bench driver` counts the instructions.
 */
#define nvme_rare(x) __builtin_expect(!!(x), 0)

int nvme_refusal(const struct nvme_queue *q);
uint64_t nvme_second_prp(struct nvme_queue *q, uint64_t iova, uint64_t len);
void nvme_bell_slow(struct nvme_queue *q, struct nvme_bell *b, uint32_t value);
int nvme_poll_slow(struct nvme_queue *q, struct nvme_done *done, unsigned max);
int nvme_look(struct nvme_queue *q);
void nvme_stray(struct nvme_queue *q);

static inline void nvme_bell(struct nvme_queue *q, struct nvme_bell *b, uint32_t value)
{
	if (nvme_rare(!b->at)) {
		nvme_bell_slow(q, b, value);
		return;
	}
	/* The entries must be in memory before the doorbell. */
	__atomic_thread_fence(__ATOMIC_RELEASE);
#if defined(__aarch64__)
	__asm__ volatile("dmb oshst" ::: "memory");
#endif
	*b->at = htole32(value);
}

/*
 * The slot after the tail is free unless the ring is full; the last command checked that the tail's
 * own slot is free. A queue that accepts no commands has max_blocks 0.
 */
static inline int nvme_transfer(struct nvme_queue *q, uint8_t opcode, const struct usher_buffer *b,
	uint64_t off, uint64_t lba, uint32_t blocks, uint64_t tag)
{
	uint32_t slot = q->tail, next = (slot + 1) & q->mask;
	struct nvme_slot *slots = q->slots;
	struct nvme_sqe *c = &q->sq[slot];
	uint64_t len = (uint64_t)blocks << q->block_shift;
	uint64_t iova = b->iova.v + off;

	/* blocks - 1 wraps, so that 0 blocks are too many. */
	if (nvme_rare(slots[next].epoch || blocks - 1 >= q->max_blocks ||
		      lba > q->blocks - blocks || off > b->size || len > b->size - off || iova & 3))
		return nvme_refusal(q);
	c->opcode = opcode;
	c->prp1 = htole64(iova);
	c->prp2 = 0;
	if (nvme_rare((iova & (NVME_PAGE - 1)) + len > NVME_PAGE))
		c->prp2 = htole64(nvme_second_prp(q, iova, len));
	c->slba = htole64(lba);
	c->cdw12 = htole32(blocks - 1);
	slots[slot].tag = tag;
	slots[slot].epoch = q->epoch;
	q->tail = next;
	return 0;
}

/*
 * Queues a transfer of @blocks at @lba into or out of @b, from @off on (a multiple of 4). The
 * device sees it after nvme_ring(). @tag comes back in struct nvme_done.
 * Return: 0; -EAGAIN the queue is full, or the next slot is in use; -ERANGE outside the buffer, the
 * namespace, or the limit of one command; the error that broke the queue.
 */
static inline int nvme_read(struct nvme_queue *q, const struct usher_buffer *b, uint64_t off,
	uint64_t lba, uint32_t blocks, uint64_t tag)
{
	return nvme_transfer(q, NVME_READ, b, off, lba, blocks, tag);
}

static inline int nvme_write(struct nvme_queue *q, const struct usher_buffer *b, uint64_t off,
	uint64_t lba, uint32_t blocks, uint64_t tag)
{
	return nvme_transfer(q, NVME_WRITE, b, off, lba, blocks, tag);
}

/* Rings the doorbell for all that was queued since the last time. */
static inline void nvme_ring(struct nvme_queue *q)
{
	if (q->rung == q->tail)
		return;
	q->rung = q->tail;
	nvme_bell(q, &q->sq_bell, q->tail);
}

/*
 * Takes at most @max completions. Return: how many; -ETIMEDOUT a command is overdue; -ENODEV the
 * device is gone; -EIO the controller reports a fatal error or has stopped; -EPROTO it completed a
 * command that is not in flight.
 */
static inline int nvme_poll(struct nvme_queue *q, struct nvme_done *done, unsigned max)
{
	const struct nvme_cqe *c = q->next;
	struct nvme_slot *slots = q->slots;
	uint32_t phase = q->phase, mask = q->mask;
	unsigned n = 0;

	while (n < max) {
		/* Acquire: read the rest of the entry, and the data, after the phase. */
		uint32_t end = le32toh(__atomic_load_n(&c->end, __ATOMIC_ACQUIRE));
		uint32_t cid = end & 0xffff;
		if ((end & NVME_PHASE) != phase)
			break;
		if (nvme_rare(cid > mask || !slots[cid].epoch)) {
			nvme_stray(q);
			break;
		}
		slots[cid].epoch = 0;
		done[n].tag = slots[cid].tag;
		/* Atomic only to keep the compiler from packing two words into a vector. */
		done[n].result = le32toh(__atomic_load_n(&c->result, __ATOMIC_RELAXED));
		done[n].status = end >> 17;
		n++;
		if (nvme_rare(++c == q->cq_end)) {
			c = q->cq;
			q->phase = phase ^ NVME_PHASE;
			(void)nvme_look(q);
			phase = q->phase;
		}
	}
	if (nvme_rare(!n)) {
		if (q->state != NVME_QUEUE_RUNS)
			return nvme_poll_slow(q, done, max);
		return --q->until_look ? 0 : nvme_look(q);
	}
	q->next = c;
	q->unread += n;
	/* At most mask commands are in flight: half of the ring is always free for them. */
	if (nvme_rare(q->unread > mask))
		nvme_tell_head(q);
	/* Return completions first; the error follows at the next call. */
	return (int)n;
}

#endif
