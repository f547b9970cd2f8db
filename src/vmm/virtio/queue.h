/* SPDX-License-Identifier: MIT */
#ifndef VMM_VIRTIO_QUEUE_H
#define VMM_VIRTIO_QUEUE_H

#include "vmm/gpa.h"

#include <stdbool.h>
#include <stdint.h>

struct iovec;
struct memory;

/*
 * A virtqueue, seen by the device: the only code that touches ring memory.
 *
 * How it works. The driver lists chains of buffers; the device takes one, works on it, and returns
 * its number. In split form there is a ring for each of these directions, and a table of
 * descriptors (vmm/virtio/queue.c); in packed form one ring is all three
 * (vmm/virtio/queue_packed.c). The driver may write to all of it at any time, so each field is read
 * once, into a copy that is checked and then used. What cannot be true breaks the queue: it stays
 * silent until it is reset, and the device asks for a reset.
 *
 * A chain carries the queue's generation. Whoever returns one after a reset, when its memory may
 * be somebody else's, has it dropped.
 *
 * Context: under the lock of the device, but for chains, which are their taker's.
 * Ref: virtio 1.2, 2.7 and 2.8.
 */
#define VIRTQ_SIZE_MAX 256
#define VIRTQ_PARTS_MAX 256 /* of a chain; a driver makes none longer than the queue */

/* A buffer of a chain. It need not be RAM: vmm/copy.h says. */
struct virtq_part {
	gpa_t gpa;
	uint32_t size; /* [bytes] */
};

struct virtq_chain {
	uint64_t generation;
	uint16_t head; /* its number */
	uint16_t spread; /* entries of the ring that it holds: 1 in split form */
	unsigned out_count; /* the first parts: the device reads them */
	unsigned part_count; /* the parts after those: the device writes them */
	uint64_t out_size; /* [bytes] of all that it reads */
	uint64_t in_size; /* [bytes] of all that it writes */
	struct virtq_part parts[VIRTQ_PARTS_MAX];
};

/* A chain on its way back to the driver. */
struct virtq_done {
	uint64_t generation;
	uint16_t head, spread; /* as in its chain */
	uint32_t written; /* [bytes] of the parts that the device writes, from the first one on */
};

static inline struct virtq_done virtq_done_of(const struct virtq_chain *c, uint32_t written)
{
	return (struct virtq_done){c->generation, c->head, c->spread, written};
}

struct virtq {
	const struct memory *memory;
	/* What the driver has set, until `enabled`. */
	uint16_t size; /* entries; in split form a power of two */
	gpa_t desc, avail, used; /* in packed form: the ring, the words of driver and device */
	bool enabled;
	bool packed; /* VIRTIO_F_RING_PACKED was accepted */
	bool event_index; /* VIRTIO_F_EVENT_IDX was accepted */
	bool indirect; /* VIRTIO_F_INDIRECT_DESC was accepted */
	bool broken;
	const char *why; /* it is broken */
	uint64_t generation; /* counts resets */
	unsigned taken; /* entries of chains that were not returned yet */
	uint16_t next_avail; /* counts chains that were taken; in split form the next one's index */
	uint16_t next_used; /* counts chains that were returned; likewise */
	uint16_t told_used; /* next_used as virtq_wants_interrupt() last saw it */
	/* Packed form: */
	uint16_t avail_place, used_place; /* of the next chain to take, and to return */
	uint32_t untold; /* entries returned since virtq_wants_interrupt() */
};

/* Neither enabled nor broken, and every chain that is still out is lost. @memory stays. */
void virtq_reset(struct virtq *q);

/* The driver turns the queue on. Return: false: no ring can be there, so it is broken. */
bool virtq_enable(struct virtq *q);

/*
 * Takes the next chain. Return: 1; 0 there is none; -EPROTO the queue is broken, `why` says by
 * what.
 */
int virtq_take(struct virtq *q, struct virtq_chain *ret);

/*
 * Returns a chain to the driver. @written: how many bytes of the parts that the device writes were
 * written, from the first one on without a gap. Chains may be returned in any order.
 */
void virtq_return(struct virtq *q, const struct virtq_chain *c, uint32_t written);

/*
 * Returns @count chains so that the driver sees all of them at once: a frame that lies in several.
 */
void virtq_return_together(struct virtq *q, const struct virtq_done *done, unsigned count);

/*
 * The chains of @done are the last that were taken, in this order and of this generation: they were
 * not taken after all, and the next take has the first of them.
 */
void virtq_untake(struct virtq *q, const struct virtq_done *done, unsigned count);

/* After one or more returns: whether the driver wants to be interrupted now. */
bool virtq_wants_interrupt(struct virtq *q);

/*
 * From now on the driver does not ring the doorbell, as far as it listens; from now on it does.
 * Return of the latter: true: a chain came meanwhile, for which it may not ring.
 */
void virtq_silence(struct virtq *q);
bool virtq_listen(struct virtq *q);

/*
 * Copies @len bytes out of the parts that the device reads, or into those that it writes, at @off
 * of all of them. Return: 0; -ERANGE they end before, nothing was copied; -EFAULT a part is not in
 * RAM, those before it may have been copied.
 */
int virtq_read(
	const struct virtq *q, const struct virtq_chain *c, uint64_t off, void *to, uint64_t len);
int virtq_write(const struct virtq *q, const struct virtq_chain *c, uint64_t off, const void *from,
	uint64_t len);

/*
 * Where byte @off is of the parts that the device writes, for a device that keeps no chain until it
 * writes there. Return: 0; -ERANGE; -EFAULT nowhere.
 */
int virtq_find(const struct virtq_chain *c, uint64_t off, gpa_t *ret);

/*
 * The same parts for the kernel, which does I/O in them: see memory_iov(). @in: those that the
 * device writes. Return: the number of @iov; -ERANGE; -EFAULT; -E2BIG more than @max.
 */
int virtq_iov(const struct virtq *q, const struct virtq_chain *c, bool in, uint64_t off,
	uint64_t len, struct iovec *iov, unsigned max);

#endif
