/* SPDX-License-Identifier: MIT */
#include "vmm/virtio/queue_packed.h"

#include "vmm/virtio/queue_desc.h"

/*
 * How it works
 *
 * One ring of descriptors goes both ways. The driver writes a chain into the next entries, its
 * first flags last; the device overwrites the first of as many entries with the chain's number and
 * what it has written. Two bits of the flags say whose an entry is: the driver makes them differ,
 * the device makes them equal, and both change their meaning with each lap. So a place has an
 * index and a lap, one bit.
 *
 * The invariant: an entry is read only where the lap says that the driver has written it, and the
 * entries that chains hold are never more than the ring has. So what the device writes never
 * overtakes what it takes.
 *
 * The second half of a descriptor has its flags. It is read, and written, by one access, so that
 * no field of it can belong to another lap than the flags.
 *
 * Each side tells the other in a word of its own, one access as well, when it wants to be
 * notified: always, never, or when a place is passed.
 * Ref: virtio 1.2, 2.8.
 */
#define LAP 0x8000 /* of a place; as in the words of notification */
#define ID_SHIFT 32
#define FLAGS_SHIFT 48
#define NOTIFY_SHIFT 16 /* of the flags, in those words */
#define NOTIFY_MASK 3

static uint16_t place_after(const struct virtq *q, uint16_t place, uint32_t count)
{
	const uint32_t index = (place & ~LAP & UINT16_MAX) + count;

	if (index < q->size)
		return (uint16_t)(place + count);
	return (uint16_t)((index - q->size) | ((place & LAP) ^ LAP));
}

static uint16_t place_before(const struct virtq *q, uint16_t place, uint32_t count)
{
	const uint32_t index = place & ~LAP & UINT16_MAX;

	if (count <= index)
		return (uint16_t)(place - count);
	return (uint16_t)((index + q->size - count) | ((place & LAP) ^ LAP));
}

static uint64_t place_address(const struct virtq *q, uint16_t place)
{
	return q->desc.v + (uint64_t)DESC_SIZE * (place & ~LAP & UINT16_MAX);
}

/* Ref: virtio 1.2, 2.8.10.1: alignment; the size need not be a power of two. */
void packed_virtq_enable(struct virtq *q)
{
	const uint64_t desc_size = (uint64_t)DESC_SIZE * q->size;

	q->avail_place = q->used_place = LAP;
	if (!q->size || q->size > VIRTQ_SIZE_MAX)
		(void)virtq_break(q, "its size is none that was offered");
	else if (q->desc.v & 15 || q->avail.v & 3 || q->used.v & 3)
		(void)virtq_break(q, "its rings are not aligned");
	else if (q->desc.v > UINT64_MAX - desc_size || q->avail.v > UINT64_MAX - 4 ||
		 q->used.v > UINT64_MAX - 4)
		(void)virtq_break(q, "its rings reach over the end of memory");
}

/* An entry, read once. Its fields come from the same lap as its flags. */
struct entry {
	struct desc desc;
	uint16_t id;
};

static int entry_read(struct virtq *q, uint64_t at, struct entry *ret)
{
	uint64_t tail = 0;

	int r = desc_halves_read(q, at, &ret->desc.address, &tail);
	ret->desc.size = (uint32_t)tail;
	ret->desc.flags = (uint16_t)(tail >> FLAGS_SHIFT);
	ret->id = (uint16_t)(tail >> ID_SHIFT);
	return r;
}

/*
 * Reads the next entry. Return: 1 a chain begins there, and the driver has written the rest of it
 * before these flags; 0 not yet; -EPROTO.
 */
static int next_read(struct virtq *q, struct entry *ret)
{
	const uint16_t available = 1U << VRING_PACKED_DESC_F_AVAIL;
	const uint16_t used = 1U << VRING_PACKED_DESC_F_USED;

	int r = entry_read(q, place_address(q, q->avail_place), ret);
	if (r < 0)
		return r;
	return (ret->desc.flags & (available | used)) == (q->avail_place & LAP ? available : used);
}

/* Ref: virtio 1.2, 2.8.7: its entries follow one another; of their flags, only WRITE counts. */
static int table_walk(struct virtq *q, const struct desc *table, struct virtq_chain *c)
{
	int r = indirect_check(q, table);

	for (uint32_t off = 0; r >= 0 && off < table->size; off += DESC_SIZE) {
		struct entry e;
		r = entry_read(q, table->address + off, &e);
		if (r < 0)
			return r;
		e.desc.flags &= VRING_DESC_F_WRITE;
		r = part_add(q, c, &e.desc);
	}
	return r;
}

/* @e: the first entry. The chain's number is in the last one. */
static int entries_walk(struct virtq *q, struct entry *e, struct virtq_chain *c)
{
	uint16_t place = q->avail_place;
	int r = 0;

	for (c->spread = 1; r >= 0; c->spread++) {
		c->head = e->id;
		if (e->desc.flags & VRING_DESC_F_INDIRECT)
			return table_walk(q, &e->desc, c);
		r = part_add(q, c, &e->desc);
		if (r < 0 || !(e->desc.flags & VRING_DESC_F_NEXT))
			return r;
		if (q->taken + c->spread >= q->size)
			return virtq_break(
				q, "a chain has more descriptors than the queue, or is a loop");
		place = place_after(q, place, 1);
		r = entry_read(q, place_address(q, place), e);
	}
	return r;
}

int packed_virtq_take(struct virtq *q, struct virtq_chain *ret)
{
	struct entry first;

	int r = next_read(q, &first);
	if (r <= 0)
		return r;
	if (q->taken == q->size)
		return virtq_break(q, "more chains are listed than it has descriptors");
	chain_clear(q, ret);
	r = entries_walk(q, &first, ret);
	if (r < 0)
		return r;
	q->avail_place = place_after(q, q->avail_place, ret->spread);
	q->next_avail++;
	q->taken += ret->spread;
	return 1;
}

static int used_put(struct virtq *q, uint16_t place, const struct virtq_done *d)
{
	const uint64_t flags =
		(place & LAP ? 1U << VRING_PACKED_DESC_F_AVAIL | 1U << VRING_PACKED_DESC_F_USED
			     : 0) |
		(d->written ? VRING_DESC_F_WRITE : 0);
	const uint64_t tail = d->written | (uint64_t)d->head << ID_SHIFT | flags << FLAGS_SHIFT;

	/* The driver reads the buffers, and later entries, after these flags. */
	__atomic_thread_fence(__ATOMIC_RELEASE);
	if (memory_le64_put(q->memory, GPA(place_address(q, place) + 8), tail) < 0)
		return virtq_break(q, "its ring is not in writable RAM");
	return 0;
}

/* The first entry is written last: the driver looks at no other before it. */
void packed_virtq_return_together(struct virtq *q, const struct virtq_done *done, unsigned count)
{
	uint32_t spread = 0;

	for (unsigned i = 0; i < count; i++) {
		if (done[i].generation != q->generation || q->broken)
			return;
		spread += done[i].spread;
	}
	const uint16_t end = place_after(q, q->used_place, spread);
	for (uint16_t place = end; count--;) {
		place = place_before(q, place, done[count].spread);
		q->taken -= done[count].spread;
		q->next_used++;
		if (used_put(q, place, &done[count]) < 0)
			return;
	}
	q->used_place = end;
	q->untold += spread;
}

void packed_virtq_untake(struct virtq *q, const struct virtq_done *done, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		q->avail_place = place_before(q, q->avail_place, done[i].spread);
		q->taken -= done[i].spread;
	}
	q->next_avail = (uint16_t)(q->next_avail - count);
}

/* Ref: virtio 1.2, 2.8.10: whether the last @q->untold entries passed @event. */
static bool place_passes(const struct virtq *q, uint16_t event)
{
	const int32_t lap = (event ^ q->used_place) & LAP ? q->size : 0;
	const int32_t at = (event & ~LAP & UINT16_MAX) - lap;
	const int32_t now = q->used_place & ~LAP & UINT16_MAX;

	return now > at && (uint32_t)(now - at) <= q->untold;
}

bool packed_virtq_wants_interrupt(struct virtq *q)
{
	bool wants;
	uint32_t word;

	if (memory_le32_get(q->memory, q->avail, &word) < 0) {
		(void)virtq_break(q, "the driver's word of notification is not in RAM");
		return false;
	}
	switch (word >> NOTIFY_SHIFT & NOTIFY_MASK) {
	case VRING_PACKED_EVENT_FLAG_DISABLE:
		wants = false;
		break;
	case VRING_PACKED_EVENT_FLAG_DESC:
		wants = !q->event_index || place_passes(q, (uint16_t)word);
		break;
	default:
		wants = true;
		break;
	}
	q->untold = 0;
	return wants;
}

static int notify_put(struct virtq *q, uint32_t flags)
{
	if (memory_le32_put(q->memory, q->used, flags << NOTIFY_SHIFT | q->avail_place) < 0)
		return virtq_break(q, "the device's word of notification is not in writable RAM");
	return 0;
}

void packed_virtq_silence(struct virtq *q)
{
	if (!q->event_index)
		(void)notify_put(q, VRING_PACKED_EVENT_FLAG_DISABLE);
}

bool packed_virtq_listen(struct virtq *q)
{
	struct entry next;

	int r = notify_put(
		q, q->event_index ? VRING_PACKED_EVENT_FLAG_DESC : VRING_PACKED_EVENT_FLAG_ENABLE);
	if (r < 0)
		return false;
	/* The driver may list a chain before it sees this; then its flags must be seen here. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return next_read(q, &next) > 0;
}
