/* SPDX-License-Identifier: MIT */
#ifndef VMM_OUTBOX_H
#define VMM_OUTBOX_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Output to a descriptor that may block for ever: a terminal or a pipe that nobody reads. The
 * caller appends to a bounded buffer and goes on; a thread of the outbox's own writes. What does
 * not fit is dropped and counted. While the kernel starts no thread, output stays in the buffer,
 * and each call tries again.
 *
 * Context: any thread. The outbox's own lock is the innermost one: no other is taken under it.
 */
#define OUTBOX_SIZE 262144 /* [bytes] */

struct outbox {
	const char *name; /* of the thread */
	int fd;
	/* The reader has made room, after outbox_put() has found less than `low`. May be NULL. */
	void (*ready)(struct outbox *o);
	size_t low; /* [bytes] */
	pthread_mutex_t lock; /* for all that follows */
	pthread_cond_t work; /* the thread waits for it */
	pthread_cond_t progress; /* outbox_drain() waits for it */
	pthread_t thread;
	bool started;
	bool due; /* what is there is to be written now */
	bool ending;
	bool closed; /* no reader is left: output is discarded */
	bool starved; /* `ready` is owed */
	uint64_t written; /* [bytes] */
	uint64_t dropped; /* [bytes] for want of room, or of a thread at the end */
	size_t first, held; /* the ring in `bytes` */
	char *bytes; /* OUTBOX_SIZE */
};

/* Takes no thread yet: the first byte does. @fd stays the caller's. Return: 0, -ENOMEM. */
int outbox_init(struct outbox *o, const char *name, int fd);

/*
 * Appends all of @data or nothing. Return: how much room is left [bytes]; OUTBOX_SIZE when nobody
 * makes room: there is no reader or no thread, and the caller must not wait.
 */
size_t outbox_put(struct outbox *o, const void *data, size_t len);

/*
 * Appends all of @data, or nothing, and then `ready` comes when there is room. Return: whether.
 * Also true if there is no reader or no thread: what does not fit is dropped.
 */
bool outbox_offer(struct outbox *o, const void *data, size_t len);

/* What was appended is written now; else when the outbox is half full. */
void outbox_flush(struct outbox *o);

/*
 * Waits until all is written: until nothing has moved for @idle_ms, and @total_ms at most.
 * Return: true when nothing is left.
 */
bool outbox_drain(struct outbox *o, unsigned idle_ms, unsigned total_ms);

/*
 * Discards what is left and ends the thread. One that the kernel does not let out of its write(2)
 * is left behind, and its memory with it: it ends with the process. Twice is fine.
 */
void outbox_fini(struct outbox *o);

#endif
