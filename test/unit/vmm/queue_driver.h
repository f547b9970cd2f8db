/* SPDX-License-Identifier: MIT */
#ifndef TEST_UNIT_VMM_QUEUE_DRIVER_H
#define TEST_UNIT_VMM_QUEUE_DRIVER_H

/*
 * An honest driver of a virtqueue in either form. It asks questions of 8 bytes, and looks at what
 * comes back. It wants to be interrupted for the next answer, if it has the event index.
 */
#include "vmm/virtio/queue.h"

#define QUEUE_DRIVER_IN 48 /* [bytes] that a device may write, at most */

struct queue_question {
	uint64_t question;
	uint16_t spread; /* entries that it holds */
	uint16_t entries[8]; /* which, in split form */
	uint32_t in_size; /* [bytes] */
};

struct queue_driver {
	const struct memory *memory;
	bool packed, event_index;
	uint16_t size;
	uint64_t at; /* in guest memory: 512 KiB */
	uint64_t asked; /* questions so far */
	uint16_t listed, seen; /* split form: indices */
	uint16_t place, used_place; /* packed form: entries; and their laps */
	bool lap, used_lap;
	uint16_t unused_count; /* entries (split form), or numbers and room (packed form) */
	uint16_t unused[VIRTQ_SIZE_MAX];
	uint16_t room;
	struct queue_question questions[VIRTQ_SIZE_MAX]; /* by number */
};

struct queue_answer {
	uint64_t question;
	uint32_t written;
	uint8_t bytes[QUEUE_DRIVER_IN]; /* as far as they were the device's to write */
};

/* Places the rings of @q, which is neither enabled nor broken, at @at. */
void queue_driver_place(struct queue_driver *d, struct virtq *q, uint16_t size, uint64_t at);

/* One more question, if there is room; @bits: how its chain looks. */
void queue_driver_list(struct queue_driver *d, uint32_t bits);

/* Return: false: none has come back. */
bool queue_driver_collect(struct queue_driver *d, struct queue_answer *ret);

#endif
