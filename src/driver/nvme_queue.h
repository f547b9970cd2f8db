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
 * How it is quick: a command's identifier is its place in the ring, so there is no list of free
 * ones; the entries lie preformatted in the ring, and a command writes five fields; an I/O address
 * is the buffer's plus an offset; each place has its own page for a PRP list, which is written only
 * when it has to say something else than last time; one doorbell for a batch; the completion
 * queue's doorbell only when half of it is used up; no lock, and no look at the clock.
 *
 * Deadlines without a clock: the queue counts epochs of 100 ms, a command remembers the one it was
 * sent in. The clock is looked at once a round of the completion ring, and by every 256th nvme_poll()
 * that finds nothing; one look adds at most one epoch: a queue that nobody polled for an hour does
 * not time out what was sent before that.
 */
struct nvme_done {
	uint64_t tag;
	uint32_t result;
	uint32_t status; /* NVME_OK, or what went wrong: type and code by NVME_STATUS_MASK */
};

struct nvme_slot {
	uint64_t tag;
	uint32_t epoch; /* that the command was sent in; 0: the place is free */
	uint32_t list_count; /* entries of its PRP list that are right, from list_pages on */
};

/* Where a doorbell is: mapped, shadowed in memory, or behind a call. */
struct nvme_bell {
	volatile uint32_t *at; /* NULL: shadowed, or by usher_write32() */
	volatile uint32_t *shadow; /* NULL: none */
	volatile uint32_t *event; /* the device wants to be told when the shadow passes this */
	uint32_t off; /* in the window of doorbells */
};

enum nvme_queue_state {
	NVME_QUEUE_CLOSED,
	NVME_QUEUE_RUNS,
	NVME_QUEUE_BROKEN, /* @error says why */
	NVME_QUEUE_ABORTS, /* runs again, but nvme_poll() still owes commands of before */
};

struct nvme_queue {
	struct nvme_sqe *sq;
	const struct nvme_cqe *next; /* completion */
	const struct nvme_cqe *cq, *cq_end;
	struct nvme_slot *slots;
	uint32_t tail, mask; /* of the submission queue */
	uint32_t rung; /* tail that the device knows */
	uint32_t phase; /* that a new completion has */
	uint32_t unread; /* completions taken that the device does not know of */
	uint32_t epoch; /* never 0 */
	uint32_t until_look; /* calls of nvme_poll() that find nothing */
	enum nvme_queue_state state;
	uint32_t max_blocks; /* of one command; 0: the queue takes none */
	uint32_t block_shift;
	uint64_t blocks; /* of the namespace, >= max_blocks */
	uint64_t *list_pages; /* I/O address that each PRP list starts at */
	uint64_t *lists;
	uint64_t lists_iova;
	struct nvme_bell sq_bell, cq_bell;

	/* Seldom used. */
	struct usher_window *registers, *doorbells;
	unsigned number;
	uint32_t cq_mask;
	uint32_t may_blocks; /* max_blocks while the queue runs */
	int error;
	int event_fd; /* the device's; -1: polled */
	int64_t epoch_ms; /* when the epoch began */
	uint32_t timeout_epochs;
	struct usher_buffer mem;
};

int nvme_flush(struct nvme_queue *q, uint64_t tag);

/* How many commands are under way, or not told of yet. */
unsigned nvme_inflight(const struct nvme_queue *q);

/* The completion queue's doorbell. */
void nvme_tell_head(struct nvme_queue *q);

/* Sleeps until an interrupt, at most @timeout_ms; polled, returns at once. Return: 0, -errno. */
int nvme_wait(struct nvme_queue *q, int timeout_ms);

/*
 * Rings, then waits until nothing is under way. Return: 0; -EIO a command had a bad status, which
 * is in @e; as nvme_poll().
 */
int nvme_drain(struct nvme_queue *q, struct usher_err *e);

/* "data transfer error"; for statuses without a name their number, in @buf. */
const char *nvme_status_text(uint32_t status, char buf[32]);

/*
 * For nvme.c: makes rings of @depth commands and 2 * @depth completions; starts over with empty ones.
 * Twice: half of it may be unread (nvme_poll()), and all commands under way still find room.
 */
int nvme_queue_new(
	struct nvme_queue *q, struct usher_space *s, unsigned depth, struct usher_err *e);
void nvme_queue_start(struct nvme_queue *q, uint32_t nsid);
void nvme_queue_free(struct nvme_queue *q);
uint64_t nvme_queue_cq_iova(const struct nvme_queue *q);
/* One whole entry, as it stands; its identifier is set. Return: as nvme_read(). */
int nvme_submit(struct nvme_queue *q, const struct nvme_sqe *command, uint64_t tag);

#endif
