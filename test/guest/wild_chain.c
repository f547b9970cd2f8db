/* SPDX-License-Identifier: MIT */
#include "wild_part.h"

#include <linux/virtio_blk.h>
#include <linux/virtio_ring.h>
#include <stdbool.h>

/* In the area mostly; else where no RAM is, or not all of it. */
uint64_t any_place(struct wild *w)
{
	switch (any_below(w, 12)) {
	case 0:
		return w->ram_end - any_below(w, 16); /* it reaches out of RAM */
	case 1:
		return w->ram_end + any_below(w, 1U << 30);
	case 2:
		return ~UINT64_C(0) - any_below(w, 4096);
	case 3:
		return w->devices[any_below(w, w->count)].bar + any_below(w, 1U << 15);
	case 4:
		return w->area + any_below(w, WILD_AREA / 2); /* the rings */
	default:
		return w->area + DATA +
		       (any_below(w, WILD_AREA - DATA) & ~(any_below(w, 4) ? 511U : 0U));
	}
}

struct desc {
	uint64_t at;
	uint32_t size;
	uint16_t flags, next;
};

/* A chain on its way into memory. */
#define PARTS 40
struct chain {
	struct desc parts[PARTS];
	unsigned count;
};

static void part_add(struct chain *c, uint64_t at, uint32_t size, unsigned flags)
{
	c->parts[c->count++] = (struct desc){at, size, (uint16_t)flags, 0};
}

static uint32_t any_length(struct wild *w)
{
	const uint32_t pages = any_below(w, 8) ? any_below(w, 3) : any_below(w, 64);

	return any_below(w, 8) ? 512 * (1 + pages) : any_below(w, 10000);
}

static void disk_request(struct wild *w, struct chain *c, uint32_t status)
{
	static const uint8_t types[] = {VIRTIO_BLK_T_IN, VIRTIO_BLK_T_IN, VIRTIO_BLK_T_OUT,
		VIRTIO_BLK_T_OUT, VIRTIO_BLK_T_FLUSH, VIRTIO_BLK_T_GET_ID, VIRTIO_BLK_T_DISCARD,
		VIRTIO_BLK_T_WRITE_ZEROES, 77};
	const uint32_t header = DATA + 32 * any_below(w, 1024);
	const uint8_t type = types[any_below(w, sizeof(types))];
	const bool in = type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID;
	const unsigned parts = any_below(w, 8) ? any_below(w, 4) : any_below(w, PARTS - 2);

	area_put(w, header, 4, any_below(w, 64) ? type : any_bits(w));
	area_put(w, header + 8, 8, any_below(w, 32) ? any_below(w, 2048) : any_value(w));
	part_add(c, w->area + header, any_below(w, 64) ? 16 : any_below(w, 40), 0);
	for (unsigned i = 0; i < parts; i++) {
		const uint32_t at =
			DATA + 65536 + (any_below(w, WILD_AREA - DATA - 131072) & ~511U);
		/* A range of a discard, or of zeroes. */
		area_put(w, at, 8, any_below(w, 2048));
		area_put(w, at + 8, 8, any_below(w, 8) ? any_below(w, 64) : any_value(w));
		const bool ranges =
			type == VIRTIO_BLK_T_DISCARD || type == VIRTIO_BLK_T_WRITE_ZEROES;
		part_add(c, w->area + at, ranges && any_below(w, 8) ? 16 : any_length(w),
			in ? VRING_DESC_F_WRITE : 0);
	}
	part_add(c, w->area + status, any_below(w, 64) ? 1 : any_below(w, 3), VRING_DESC_F_WRITE);
}

/* Of a device whose requests are bytes: out, then in. */
static void plain_request(struct wild *w, struct chain *c)
{
	const unsigned out = any_below(w, 4), in = any_below(w, 4);

	for (unsigned i = 0; i < out; i++)
		part_add(c, any_place(w), any_length(w), 0);
	for (unsigned i = 0; i < in + !out; i++)
		part_add(c, w->area + DATA + any_below(w, WILD_AREA - DATA - 65536), any_length(w),
			VRING_DESC_F_WRITE);
}

/* One thing wrong. Return: which. */
static enum wild_kind chain_spoil(struct wild *w, struct chain *c, uint16_t table_size)
{
	struct desc *d = &c->parts[any_below(w, c->count)];

	switch (any_below(w, 10)) {
	case 0:
		d->flags |= VRING_DESC_F_NEXT;
		d->next = 0;
		return WILD_LOOP;
	case 1:
		d->flags |= VRING_DESC_F_NEXT;
		d->next = (uint16_t)(table_size + any_below(w, 65536U - table_size));
		return WILD_BEYOND;
	case 2:
		c->parts[0].flags |= VRING_DESC_F_WRITE;
		return c->count > 1 ? WILD_BACKWARD : WILD_CHAIN;
	case 3:
		d->at = w->ram_end - any_below(w, 64);
		return WILD_OUTSIDE;
	case 4:
		d->at = ~UINT64_C(0) - any_below(w, d->size + 1);
		return WILD_WRAP;
	case 5:
		d->at = w->area + any_below(w, WILD_AREA / 2);
		return WILD_OVERLAP;
	case 6:
		d->size = 0;
		return WILD_EMPTY;
	case 7:
		d->size = ~any_below(w, 65536);
		return WILD_HUGE_PART;
	case 8:
		d->flags |= VRING_DESC_F_INDIRECT;
		d->size = any_below(w, 2) ? 16 * any_below(w, 4) : d->size;
		return WILD_NESTED;
	default:
		d->flags = (uint16_t)any_value(w);
		d->next = (uint16_t)any_value(w);
		return WILD_FLAGS;
	}
}

/* The flags and the last field of a packed ring are the other way round. */
static void packed_put(const struct wild *w, uint32_t at, const struct desc *d, uint16_t id)
{
	area_put(w, at, 8, d->at);
	area_put(w, at + 8, 4, d->size);
	area_put(w, at + 12, 2, id);
	__asm__ volatile("" : : : "memory");
	area_put(w, at + 14, 2, d->flags);
}

static bool place_lap(const struct wild_queue *q, uint32_t place)
{
	return place / q->size % 2 == 0;
}

static uint32_t place_at(const struct wild *w, const struct wild_queue *q, uint32_t place)
{
	return (uint32_t)(q->at - w->area) + 16 * (place % q->size);
}

/* Takes note of what has come back. What is disturbed may never do. */
static void packed_collect(struct wild *w, struct wild_queue *q)
{
	while (q->used_place != q->place) {
		const uint32_t at = place_at(w, q, q->used_place);
		const uint16_t flags = area_get16(w, at + 14), id = area_get16(w, at + 12);
		const bool used = flags & 1U << VRING_PACKED_DESC_F_USED;
		if (!(flags & 1U << VRING_PACKED_DESC_F_AVAIL) != !used ||
			used != place_lap(q, q->used_place))
			return;
		q->used_place += q->spreads[id % WILD_SPREADS];
		q->used++;
		w->hits[WILD_PACKED_USED]++;
	}
}

/*
 * Into the next entries, or a table of its own. A chain that the ring has no room for is listed now
 * and then.
 */
static bool chain_pack(struct wild *w, struct wild_queue *q, struct chain *c, bool indirect)
{
	const uint32_t own = DATA + 32768 + 16 * any_below(w, 1024);
	const unsigned count = indirect ? 1 : c->count;
	const uint16_t id =
		(uint16_t)(any_below(w, 256) ? q->place % q->size : any_below(w, WILD_SPREADS));
	const struct desc table = {w->area + own, 16 * c->count, VRING_DESC_F_INDIRECT, 0};

	packed_collect(w, q);
	if (q->place - q->used_place + count > q->size && any_below(w, 64))
		return false;
	for (unsigned i = 0; indirect && i < c->count; i++)
		packed_put(w, own + 16 * i, &c->parts[i], 0);
	for (unsigned i = count; i--;) {
		struct desc d = indirect ? table : c->parts[i];
		d.flags &= (uint16_t) ~(
			1U << VRING_PACKED_DESC_F_AVAIL | 1U << VRING_PACKED_DESC_F_USED);
		d.flags |=
			(uint16_t)(1U << (place_lap(q, q->place + i) ? VRING_PACKED_DESC_F_AVAIL
								     : VRING_PACKED_DESC_F_USED));
		packed_put(w, place_at(w, q, q->place + i), &d, id);
	}
	q->spreads[id] = (uint8_t)count;
	q->place += count;
	q->listed++;
	w->hits[WILD_PACKED]++;
	return true;
}

static void desc_put(const struct wild *w, uint32_t at, const struct desc *d)
{
	area_put(w, at, 8, d->at);
	area_put(w, at + 8, 4, d->size);
	area_put(w, at + 12, 2, d->flags);
	area_put(w, at + 14, 2, d->next);
}

/* Into the queue's table from @head on, or a table of its own. */
static void chain_put(
	struct wild *w, const struct wild_queue *q, struct chain *c, uint16_t head, bool indirect)
{
	const uint32_t own = DATA + 32768 + 16 * any_below(w, 1024);
	const uint32_t ring = (uint32_t)(q->at - w->area);

	for (unsigned i = 0; i < c->count; i++)
		desc_put(w, indirect ? own + 16 * i : ring + 16 * ((head + i) % q->size),
			&c->parts[i]);
	const struct desc table = {w->area + own, 16 * c->count, VRING_DESC_F_INDIRECT, 0};
	if (indirect)
		desc_put(w, ring + 16U * head, &table);
}

static void chain_link(struct chain *c, const struct wild_queue *q, uint16_t head, bool indirect)
{
	for (unsigned i = 0; i + 1 < c->count; i++) {
		c->parts[i].flags |= VRING_DESC_F_NEXT;
		c->parts[i].next = (uint16_t)(indirect ? i + 1 : (head + i + 1) % q->size);
	}
}

/* The status byte that a chain of before has left in this place. */
static void status_count(struct wild *w, uint32_t at)
{
	static const enum wild_kind kinds[] = {[VIRTIO_BLK_S_OK] = WILD_OK,
		[VIRTIO_BLK_S_IOERR] = WILD_IOERR,
		[VIRTIO_BLK_S_UNSUPP] = WILD_UNSUPP};
	const uint8_t status = w->memory[at];

	if (status <= VIRTIO_BLK_S_UNSUPP)
		w->hits[kinds[status]]++;
	w->memory[at] = UNTOUCHED;
}

static void used_count(struct wild *w, struct wild_queue *q)
{
	if (q->packed) {
		packed_collect(w, q);
		return;
	}
	const uint16_t used = area_get16(w, (uint32_t)(q->at - w->area) + 8192 + 2);

	w->hits[WILD_USED] += used != q->used;
	q->used = used;
}

static void head_list(struct wild *w, struct wild_queue *q, uint16_t head)
{
	const uint32_t avail = (uint32_t)(q->at - w->area) + 4096;

	area_put(w, avail + 4 + 2 * (q->listed % q->size), 2, head);
	q->listed++;
	if (!any_below(w, 64)) {
		q->listed = (uint16_t)(q->listed + any_value(w));
		w->hits[WILD_JUMP]++;
	} else if (!any_below(w, 32)) {
		area_put(w, avail + 4 + 2 * (q->listed % q->size), 2, head);
		q->listed++;
		w->hits[WILD_TWICE]++;
	}
	__asm__ volatile("" : : : "memory");
	area_put(w, avail + 2, 2, q->listed);
}

void chain_list(struct wild *w, struct wild_device *d, unsigned n)
{
	struct wild_queue *q = &d->queues[n];
	const bool indirect = any_below(w, 2);
	const uint16_t head = (uint16_t)any_below(w, q->size);
	const uint32_t status = STATUSES + any_below(w, 1024);
	enum wild_kind kind = indirect ? WILD_INDIRECT : WILD_CHAIN;
	struct chain c;

	c.count = 0;
	used_count(w, q);
	status_count(w, status);
	if (d->type == BLK)
		disk_request(w, &c, status);
	else
		plain_request(w, &c);
	chain_link(&c, q, head, indirect);
	if (!any_below(w, 4))
		kind = chain_spoil(w, &c, indirect ? (uint16_t)c.count : q->size);
	w->hits[kind]++;
	if (!q->packed) {
		chain_put(w, q, &c, head, indirect);
		head_list(w, q, head);
	} else if (!chain_pack(w, q, &c, indirect)) {
		w->relax();
	}
	bell_ring(w, d, n);
	if (!any_below(w, 4)) {
		w->hits[WILD_CHANGED]++;
		wild_disturb(w, &w->state);
	} else if (!any_below(w, 4)) {
		w->relax();
	}
}

static bool is_back(struct wild *w, struct wild_queue *q)
{
	if (!q->packed)
		return area_get16(w, (uint32_t)(q->at - w->area) + 8192 + 2) == q->listed;
	packed_collect(w, q);
	return q->used_place == q->place;
}

static void chain_wait(struct wild *w, struct wild_queue *q)
{
	for (uint64_t looks = 0; !is_back(w, q); looks++) {
		if (looks == PATIENCE) {
			w->fault = "a chain does not come back";
			return;
		}
		w->relax();
	}
}

/* A good request, alone. Return: its status. */
static uint8_t disk_ask(struct wild *w, struct wild_device *d, uint8_t type, uint32_t at)
{
	struct wild_queue *q = &d->queues[0];
	const uint32_t ring = (uint32_t)(q->at - w->area);
	struct chain c;

	c.count = 0; /* no memset() in a guest */
	area_put(w, DATA, 8, type);
	area_put(w, DATA + 8, 8, 3);
	w->memory[STATUSES] = UNTOUCHED;
	part_add(&c, w->area + DATA, 16, 0);
	part_add(&c, w->area + at, 512, type == VIRTIO_BLK_T_IN ? VRING_DESC_F_WRITE : 0);
	part_add(&c, w->area + STATUSES, 1, VRING_DESC_F_WRITE);
	chain_link(&c, q, 0, false);
	if (q->packed) {
		(void)chain_pack(w, q, &c, false);
	} else {
		chain_put(w, q, &c, 0, false);
		area_put(w, ring + 4096 + 4 + 2 * (q->listed % q->size), 2, 0);
		q->listed++;
		__asm__ volatile("" : : : "memory");
		area_put(w, ring + 4096 + 2, 2, q->listed);
	}
	bell_ring(w, d, 0);
	chain_wait(w, q);
	return w->memory[STATUSES];
}

void disk_prove(struct wild *w, struct wild_device *d)
{
	const uint32_t from = DATA + 65536, to = DATA + 131072;

	if (features_get(w, d) & UINT64_C(1) << VIRTIO_BLK_F_RO) {
		if (disk_ask(w, d, VIRTIO_BLK_T_IN, to))
			w->fault = "a read-only disk does not work any more";
		return;
	}
	for (uint32_t i = 0; i < 512; i++) {
		w->memory[from + i] = (uint8_t)(i * 7 + 1);
		w->memory[to + i] = 0;
	}
	if (disk_ask(w, d, VIRTIO_BLK_T_OUT, from) || disk_ask(w, d, VIRTIO_BLK_T_IN, to))
		w->fault = "a disk does not work any more";
	for (uint32_t i = 0; i < 512; i++)
		if (w->memory[to + i] != (uint8_t)(i * 7 + 1))
			w->fault = "a disk does not read what was written";
}
