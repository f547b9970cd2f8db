/* SPDX-License-Identifier: MIT */
#include "base/num.h"
#include "queue_driver.h"
#include "suite.h"
#include "vmm/copy.h"

#include <linux/virtio_ring.h>
#include <string.h>

/* From `at` on. */
#define AVAIL 0x1000
#define USED 0x2000
#define TABLES 0x10000
#define TABLE_SIZE 0x80
#define DATA 0x20000
#define DATA_SIZE 0x100
#define IN 0x40 /* in that */

void queue_driver_place(struct queue_driver *d, struct virtq *q, uint16_t size, uint64_t at)
{
	*d = (struct queue_driver){.memory = q->memory,
		.packed = q->packed,
		.event_index = q->event_index,
		.size = size,
		.at = at,
		.lap = true,
		.used_lap = true,
		.room = size};
	for (unsigned i = 0; i < size; i++)
		d->unused[d->unused_count++] = (uint16_t)(size - 1 - i);
	q->size = size;
	q->desc = GPA(at);
	q->avail = GPA(at + AVAIL);
	q->used = GPA(at + USED);
}

static void put16(struct queue_driver *d, uint64_t at, unsigned value)
{
	ck_assert_int_eq(memory_le16_put(d->memory, GPA(d->at + at), (uint16_t)value), 0);
}

static uint16_t get16(struct queue_driver *d, uint64_t at)
{
	uint16_t v;

	ck_assert_int_eq(memory_le16_get(d->memory, GPA(d->at + at), &v), 0);
	return v;
}

static void desc_put(struct queue_driver *d, uint64_t at, const struct virtq_part *p, unsigned next,
	unsigned flags)
{
	const uint64_t tail = p->size | (d->packed ? (uint64_t)next << 32 | (uint64_t)flags << 48
						   : (uint64_t)flags << 32 | (uint64_t)next << 48);

	ck_assert_int_eq(memory_le64_put(d->memory, GPA(d->at + at), p->gpa.v), 0);
	ck_assert_int_eq(memory_le64_put(d->memory, GPA(d->at + at + 8), tail), 0);
}

/* The parts of question @id: one or two to read, up to two to write. Return: their number. */
static unsigned parts_make(
	struct queue_driver *d, unsigned id, uint32_t bits, struct virtq_part *parts, unsigned *out)
{
	const uint64_t at = d->at + DATA + DATA_SIZE * id;
	unsigned count = 0;

	if (bits & 0x100)
		parts[count++] = (struct virtq_part){GPA(at + 16), 16};
	parts[count++] = (struct virtq_part){GPA(at), 8};
	*out = count;
	if (bits & 0x200)
		parts[count++] = (struct virtq_part){GPA(at + IN), 16};
	if (bits & 0x400)
		parts[count++] = (struct virtq_part){GPA(at + IN + 16), 32};
	d->questions[id].in_size = (bits & 0x200 ? 16 : 0) + (bits & 0x400 ? 32 : 0);
	return count;
}

static unsigned flags_of(unsigned i, unsigned count, unsigned out)
{
	return (i + 1 < count ? VRING_DESC_F_NEXT : 0U) | (i < out ? 0U : VRING_DESC_F_WRITE);
}

/* Return: the number of descriptors for the ring: @parts, or one that stands for them. */
static unsigned table_make(
	struct queue_driver *d, unsigned id, struct virtq_part *parts, unsigned count, unsigned out)
{
	const uint64_t at = TABLES + TABLE_SIZE * id;

	for (unsigned i = 0; i < count; i++)
		desc_put(d, at + 16 * i, &parts[i], d->packed ? 0 : i + 1,
			flags_of(i, count, out) & (d->packed ? VRING_DESC_F_WRITE : ~0U));
	parts[0] = (struct virtq_part){GPA(d->at + at), 16 * count};
	return 1;
}

static void split_list(struct queue_driver *d, const struct virtq_part *parts, unsigned count,
	unsigned out, unsigned more)
{
	uint16_t *entries = d->questions[d->unused[d->unused_count - 1]].entries;

	for (unsigned i = 0; i < count; i++)
		entries[i] = d->unused[--d->unused_count];
	for (unsigned i = 0; i < count; i++)
		desc_put(d, 16 * entries[i], &parts[i], i + 1 < count ? entries[i + 1] : 0,
			more | flags_of(i, count, out));
	put16(d, AVAIL + 4 + 2 * (d->listed % d->size), entries[0]);
	put16(d, AVAIL + 2, ++d->listed);
}

static void packed_list(struct queue_driver *d, const struct virtq_part *parts, unsigned count,
	unsigned out, unsigned more)
{
	const unsigned id = d->unused[--d->unused_count];

	/* The first one last, as a device may look meanwhile. */
	for (unsigned i = count; i--;) {
		const bool over = d->place + i >= d->size;
		const bool lap = d->lap != over;
		desc_put(d, 16 * ((d->place + i) % d->size), &parts[i], id,
			more | flags_of(i, count, out) |
				(lap ? 1U << VRING_PACKED_DESC_F_AVAIL
				     : 1U << VRING_PACKED_DESC_F_USED));
	}
	d->lap = d->lap != (d->place + count >= d->size);
	d->place = (uint16_t)((d->place + count) % d->size);
}

void queue_driver_list(struct queue_driver *d, uint32_t bits)
{
	struct virtq_part parts[4];
	unsigned out, more = 0;

	if (!d->room)
		return;
	const unsigned id = d->unused[d->unused_count - 1];
	unsigned count = parts_make(d, id, bits, parts, &out);
	if (bits & 0x800) {
		count = table_make(d, id, parts, count, out);
		out = 1;
		more = VRING_DESC_F_INDIRECT;
	}
	if (count > d->room)
		return;
	const uint64_t question = ++d->asked * UINT64_C(0x9e3779b97f4a7c15) >> 16;
	ck_assert_int_eq(
		memory_write(d->memory, GPA(d->at + DATA + DATA_SIZE * id), &question, 8), 0);
	ck_assert_int_eq(memory_fill(d->memory, GPA(d->at + DATA + DATA_SIZE * id + IN), 0, 64), 0);
	d->questions[id].question = question;
	d->questions[id].spread = (uint16_t)count;
	d->room = (uint16_t)(d->room - count);
	if (d->packed)
		packed_list(d, parts, count, out, more);
	else
		split_list(d, parts, count, out, more);
}

/* Return: false: none has come back; else its number. */
static bool split_collect(struct queue_driver *d, uint32_t *id, uint32_t *written)
{
	const uint64_t at = USED + 4 + 8 * (uint64_t)(d->seen % d->size);

	if (get16(d, USED + 2) == d->seen)
		return false;
	ck_assert_int_eq(memory_le32_get(d->memory, GPA(d->at + at), id), 0);
	ck_assert_int_eq(memory_le32_get(d->memory, GPA(d->at + at + 4), written), 0);
	ck_assert_uint_lt(*id, d->size);
	d->seen++;
	for (unsigned i = d->questions[*id].spread; i--;)
		d->unused[d->unused_count++] = d->questions[*id].entries[i];
	if (d->event_index)
		put16(d, AVAIL + 4 + 2 * (uint64_t)d->size, d->seen);
	return true;
}

static bool packed_collect(struct queue_driver *d, uint32_t *id, uint32_t *written)
{
	uint64_t tail;

	ck_assert_int_eq(
		memory_le64_get(d->memory, GPA(d->at + 16 * (uint64_t)d->used_place + 8), &tail),
		0);
	const bool available = tail >> (48 + VRING_PACKED_DESC_F_AVAIL) & 1;
	const bool used = tail >> (48 + VRING_PACKED_DESC_F_USED) & 1;
	if (available != used || used != d->used_lap)
		return false;
	*written = (uint32_t)tail;
	*id = (uint16_t)(tail >> 32);
	ck_assert_uint_lt(*id, d->size);
	d->unused[d->unused_count++] = (uint16_t)*id;
	const unsigned next = d->used_place + d->questions[*id].spread;
	d->used_lap = d->used_lap != (next >= d->size);
	d->used_place = (uint16_t)(next % d->size);
	if (d->event_index)
		ck_assert_int_eq(memory_le32_put(d->memory, GPA(d->at + AVAIL),
					 VRING_PACKED_EVENT_FLAG_DESC << 16 | d->used_place |
						 (d->used_lap ? 0x8000U : 0U)),
			0);
	return true;
}

bool queue_driver_collect(struct queue_driver *d, struct queue_answer *ret)
{
	uint32_t id;

	*ret = (struct queue_answer){0};
	if (!(d->packed ? packed_collect(d, &id, &ret->written)
			: split_collect(d, &id, &ret->written)))
		return false;
	const struct queue_question *q = &d->questions[id];
	ck_assert_uint_ne(q->spread, 0);
	ret->question = q->question;
	d->room = (uint16_t)(d->room + q->spread);
	ck_assert_int_eq(memory_read(d->memory, GPA(d->at + DATA + DATA_SIZE * id + IN), ret->bytes,
				 sizeof(ret->bytes)),
		0);
	return true;
}
