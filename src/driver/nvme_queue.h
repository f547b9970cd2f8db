/* SPDX-License-Identifier: MIT */
#ifndef DRIVER_NVME_QUEUE_H
#define DRIVER_NVME_QUEUE_H

#include "regs/nvme.h"

#include <stdint.h>
#include <usher/dma.h>
#include <usher/region.h>

struct usher_err;

/*
 * A submission queue and its completion queue.
 *
 * How it works. The identifier of a command is its slot in the ring, so there is no free list.
 * Invariant: a slot is in use from the command to the nvme_poll() that returns it. Entries are
 * preformatted in the ring, and a command writes five fields. An I/O address is that of the buffer
 * plus an offset. Each slot has a page for a PRP list, which is written only if it changes. One
 * doorbell serves a batch; the completion doorbell is written when half of the ring is used up. The
 * hot path takes no lock and does not read the clock.
 *
 * Deadlines without a clock: the queue counts epochs of 100 ms, and a command remembers the epoch
 * in which it was sent. nvme_poll() reads the clock once a round of the completion ring, and at
 * every 256th call that finds nothing. One look adds at most one epoch, so that a queue that was
 * not polled for an hour does not time out older commands.
 */
struct nvme_done {
	uint64_t tag;
	uint32_t result;
	uint32_t status; /* NVME_OK, or an error: type and code by NVME_STATUS_MASK */
};

struct nvme_slot {
	uint64_t tag;
	uint32_t epoch; /* in which the command was sent; 0: the slot is free */
	uint32_t list_count; /* valid entries of its PRP list, from list_pages on */
};

/* A doorbell: mapped, shadowed in memory, or written by a call. */
struct nvme_bell {
	volatile uint32_t *at; /* NULL: shadowed, or by usher_write32() */
	volatile uint32_t *shadow; /* NULL: none */
	volatile uint32_t *event; /* the register must be written when the shadow passes this */
	uint32_t off; /* in the window of doorbells [bytes] */
};

enum nvme_queue_state {
	NVME_QUEUE_CLOSED,
	NVME_QUEUE_RUNS,
	NVME_QUEUE_BROKEN, /* @error says why */
	NVME_QUEUE_ABORTS, /* works again; nvme_poll() has aborted commands to return */
};

struct nvme_queue {
	struct nvme_sqe *sq;
	const struct nvme_cqe *next; /* completion */
	const struct nvme_cqe *cq, *cq_end;
	struct nvme_slot *slots;
	uint32_t tail, mask; /* of the submission queue */
	uint32_t rung; /* tail that the device knows */
	uint32_t phase; /* of a new completion */
	uint32_t unread; /* completions taken since the last completion doorbell */
	uint32_t epoch; /* never 0 */
	uint32_t until_look; /* empty calls of nvme_poll() until it reads the clock */
	enum nvme_queue_state state;
	uint32_t max_blocks; /* of one command; 0: the queue accepts none */
	uint32_t block_shift;
	uint64_t blocks; /* of the namespace, >= max_blocks */
	uint64_t *list_pages; /* I/O address that each PRP list starts with */
	uint64_t *lists;
	uint64_t lists_iova;
	struct nvme_bell sq_bell, cq_bell;

	/* Off the hot path. */
	struct usher_window *registers, *doorbells;
	unsigned number;
	uint32_t cq_mask;
	uint32_t may_blocks; /* max_blocks while the queue runs */
	int error;
	int event_fd; /* owned by the device; -1: polled */
	int64_t epoch_ms; /* when the epoch began */
	uint32_t timeout_epochs;
	struct usher_buffer mem;
};

int nvme_flush(struct nvme_queue *q, uint64_t tag);

/* How many commands are in flight, or completed and not returned yet. */
unsigned nvme_inflight(const struct nvme_queue *q);

/* Rings the doorbell of the completion queue. */
void nvme_tell_head(struct nvme_queue *q);

/*
 * Sleeps until an interrupt, at most @timeout_ms. A polled queue returns at once. Return: 0,
 * -errno.
 */
int nvme_wait(struct nvme_queue *q, int timeout_ms);

/*
 * Rings the doorbell and waits until no command is in flight. Return: 0; -EIO a command had an
 * error status, which is in @e; as nvme_poll().
 */
int nvme_drain(struct nvme_queue *q, struct usher_err *e);

/* The name of a status, "data transfer error"; if it has none, its number, in @buf. */
const char *nvme_status_text(uint32_t status, char buf[32]);

/*
 * For nvme.c: makes rings of @depth commands and 2 * @depth completions, or empties them after a
 * reset. The completion ring is twice as large, because half of it may be unread (nvme_poll())
 * while all commands in flight still need room.
 */
int nvme_queue_new(
	struct nvme_queue *q, struct usher_space *s, unsigned depth, struct usher_err *e);
void nvme_queue_start(struct nvme_queue *q, uint32_t nsid);
void nvme_queue_free(struct nvme_queue *q);
uint64_t nvme_queue_cq_iova(const struct nvme_queue *q);
/* Queues one whole entry; the driver sets its identifier. Return: as nvme_read(). */
int nvme_submit(struct nvme_queue *q, const struct nvme_sqe *command, uint64_t tag);

#endif
