/* SPDX-License-Identifier: MIT */
#include "vmm/virtio/queue.h"

#include "base/num.h"
#include "vmm/virtio/queue_desc.h"
#include "vmm/virtio/queue_packed.h"

#define AVAIL_RING 4 /* where its entries begin, after flags and index */
#define USED_RING 4

void virtq_reset(struct virtq *q)
{
	*q = (struct virtq){
		.memory = q->memory,
		.size = VIRTQ_SIZE_MAX,
		.generation = q->generation + 1,
	};
}

/* Ref: virtio 1.2, 2.7: alignment and size of the three parts. */
static void split_enable(struct virtq *q)
{
	const uint64_t desc_size = (uint64_t)DESC_SIZE * q->size;
	const uint64_t avail_size = AVAIL_RING + 2 * (uint64_t)q->size + 2;
	const uint64_t used_size = USED_RING + 8 * (uint64_t)q->size + 2;

	if (!is_pow2(q->size) || q->size > VIRTQ_SIZE_MAX)
		(void)virtq_break(q, "its size is not a power of two that was offered");
	else if (q->desc.v & 15 || q->avail.v & 1 || q->used.v & 3)
		(void)virtq_break(q, "its rings are not aligned");
	else if (q->desc.v > UINT64_MAX - desc_size || q->avail.v > UINT64_MAX - avail_size ||
		 q->used.v > UINT64_MAX - used_size)
		(void)virtq_break(q, "its rings reach over the end of memory");
}

bool virtq_enable(struct virtq *q)
{
	q->enabled = true;
	if (q->packed)
		packed_virtq_enable(q);
	else
		split_enable(q);
	return !q->broken;
}

static gpa_t used_event_at(const struct virtq *q)
{
	return GPA(q->avail.v + AVAIL_RING + 2 * (uint64_t)q->size);
}

static gpa_t avail_event_at(const struct virtq *q)
{
	return GPA(q->used.v + USED_RING + 8 * (uint64_t)q->size);
}

/* How many chains the driver has listed and the device has not taken. */
static int count_waiting(struct virtq *q, uint16_t *ret)
{
	uint16_t index;

	if (memory_le16_get(q->memory, GPA(q->avail.v + 2), &index) < 0)
		return virtq_break(q, "its available ring is not in RAM");
	/* The entries are read after the index: the driver wrote them before it. */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	*ret = (uint16_t)(index - q->next_avail);
	if (*ret > q->size)
		return virtq_break(q, "its available index is ahead by more than its size");
	return 0;
}

/* A table of descriptors: that of the queue, or an indirect one. */
struct table {
	gpa_t at;
	uint32_t count;
	bool indirect;
};

static int desc_read(struct virtq *q, gpa_t table, uint32_t index, struct desc *ret)
{
	const uint64_t at = table.v + (uint64_t)DESC_SIZE * index;
	uint64_t tail = 0;

	int r = desc_halves_read(q, at, &ret->address, &tail);
	ret->size = (uint32_t)tail;
	ret->flags = (uint16_t)(tail >> 32);
	ret->next = (uint16_t)(tail >> 48);
	return r;
}

static int enter_indirect(struct virtq *q, const struct desc *d, struct table *t, uint32_t *next)
{
	if (t->indirect)
		return virtq_break(q, "an indirect descriptor is where none may be");
	int r = indirect_check(q, d);
	if (r < 0)
		return r;
	*t = (struct table){GPA(d->address), d->size / DESC_SIZE, true};
	*next = 0;
	return 0;
}

/* A chain cannot go on for ever: part_add() ends it, and an indirect table is entered once. */
static int chain_walk(struct virtq *q, uint32_t head, struct virtq_chain *c)
{
	struct table t = {q->desc, q->size, false};
	struct desc d = {.flags = VRING_DESC_F_NEXT};
	uint32_t next = head;
	int r = 0;

	while (r >= 0 && d.flags & VRING_DESC_F_NEXT) {
		if (next >= t.count)
			return virtq_break(q, "a descriptor names one beyond its table");
		r = desc_read(q, t.at, next, &d);
		if (r < 0)
			return r;
		if (d.flags & VRING_DESC_F_INDIRECT) {
			r = enter_indirect(q, &d, &t, &next);
			d.flags = VRING_DESC_F_NEXT;
			continue;
		}
		r = part_add(q, c, &d);
		next = d.next;
	}
	return r;
}

int virtq_take(struct virtq *q, struct virtq_chain *ret)
{
	uint16_t waiting, head;

	if (!q->enabled)
		return 0;
	if (q->broken)
		return -EPROTO;
	if (q->packed)
		return packed_virtq_take(q, ret);
	int r = count_waiting(q, &waiting);
	if (r < 0 || !waiting)
		return r;
	const uint64_t at = q->avail.v + AVAIL_RING + 2 * (uint64_t)(q->next_avail % q->size);
	if (memory_le16_get(q->memory, GPA(at), &head) < 0)
		return virtq_break(q, "its available ring is not in RAM");
	if (q->taken == q->size)
		return virtq_break(q, "more chains are listed than it has descriptors");
	chain_clear(q, ret);
	ret->head = head;
	ret->spread = 1;
	r = chain_walk(q, head, ret);
	if (r < 0)
		return r;
	q->next_avail++;
	q->taken++;
	return 1;
}

/* The driver does not look at it before the index is out. */
static int used_put(struct virtq *q, const struct virtq_done *d)
{
	const uint64_t at = q->used.v + USED_RING + 8 * (uint64_t)(q->next_used % q->size);

	q->taken--;
	if (memory_le32_put(q->memory, GPA(at), d->head) < 0 ||
		memory_le32_put(q->memory, GPA(at + 4), d->written) < 0)
		return virtq_break(q, "its used ring is not in writable RAM");
	q->next_used++;
	return 0;
}

void virtq_return_together(struct virtq *q, const struct virtq_done *done, unsigned count)
{
	if (q->packed) {
		packed_virtq_return_together(q, done, count);
		return;
	}
	for (unsigned i = 0; i < count; i++) {
		/* First: after a reset the driver may have set a size of 0. */
		if (done[i].generation != q->generation || q->broken)
			return;
		if (used_put(q, &done[i]) < 0)
			return;
	}
	/* The driver reads the entries, and the buffers, after the index. */
	__atomic_thread_fence(__ATOMIC_RELEASE);
	if (memory_le16_put(q->memory, GPA(q->used.v + 2), q->next_used) < 0)
		(void)virtq_break(q, "its used ring is not in writable RAM");
}

void virtq_return(struct virtq *q, const struct virtq_chain *c, uint32_t written)
{
	const struct virtq_done done = virtq_done_of(c, written);

	virtq_return_together(q, &done, 1);
}

void virtq_untake(struct virtq *q, const struct virtq_done *done, unsigned count)
{
	if (q->packed) {
		packed_virtq_untake(q, done, count);
		return;
	}
	q->next_avail = (uint16_t)(q->next_avail - count);
	q->taken -= count;
}

/* Ref: virtio 1.2, 2.7.7.2: whether an index from after @old up to @now passes @event. */
static bool index_passes(uint16_t event, uint16_t now, uint16_t old)
{
	return (uint16_t)(now - event - 1) < (uint16_t)(now - old);
}

bool virtq_wants_interrupt(struct virtq *q)
{
	const uint16_t old = q->told_used;
	uint16_t word;

	if (!q->enabled || q->broken || old == q->next_used)
		return false;
	q->told_used = q->next_used;
	/* The driver may set its word and then look at the index: our index must be out by now. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (q->packed)
		return packed_virtq_wants_interrupt(q);
	if (memory_le16_get(q->memory, q->event_index ? used_event_at(q) : q->avail, &word) < 0) {
		(void)virtq_break(q, "its available ring is not in RAM");
		return false;
	}
	return q->event_index ? index_passes(word, q->next_used, old)
			      : !(word & VRING_AVAIL_F_NO_INTERRUPT);
}

/* With the event index, nobody rings for an index that is not the next one. */
void virtq_silence(struct virtq *q)
{
	if (!q->enabled || q->broken || q->event_index)
		return;
	if (q->packed)
		packed_virtq_silence(q);
	else
		(void)memory_le16_put(q->memory, q->used, VRING_USED_F_NO_NOTIFY);
}

bool virtq_listen(struct virtq *q)
{
	uint16_t waiting = 0;

	if (!q->enabled || q->broken)
		return false;
	if (q->packed)
		return packed_virtq_listen(q);
	const int r = q->event_index ? memory_le16_put(q->memory, avail_event_at(q), q->next_avail)
				     : memory_le16_put(q->memory, q->used, 0);
	if (r < 0) {
		(void)virtq_break(q, "its used ring is not in writable RAM");
		return false;
	}
	/* The driver may list a chain before it sees this; then its index must be seen here. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return count_waiting(q, &waiting) >= 0 && waiting;
}
