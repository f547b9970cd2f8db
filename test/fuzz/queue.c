/* SPDX-License-Identifier: MIT */
/*
 * A driver that writes its rings at random, also while the device works on its chains. Input: how
 * the queue is set up, then steps: a byte for what happens, and what that needs.
 *
 * covers: src/vmm/virtio/queue.c src/vmm/virtio/queue_packed.c src/vmm/virtio/queue_copy.c
 * covers: src/vmm/virtio/queue_desc.h
 */
#include "base/endian.h"
#include "base/num.h"
#include "input.h"
#include "require.h"
#include "vmm/copy.h"
#include "vmm/memory.h"
#include "vmm/virtio/queue.h"

#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RAM_SIZE UINT64_C(0x10000)
#define OUT 4 /* chains that the device has in work at once */
#define STEPS_MAX 512

static struct memory memory = MEMORY_NONE;
static struct virtq queue;

/* What a device has taken, and whether that is still so. */
static struct {
	struct virtq_chain chain;
	bool used;
} work[OUT];

static void memory_clear(void)
{
	if (!memory.ram) {
		const struct memory_range ram = {.size = RAM_SIZE, .kind = MEMORY_RAM};
		struct memory_range r = ram;
		require(memory_init(&memory, RAM_SIZE, MEMORY_PRIVATE, NULL) == 0, "there is RAM");
		r.host = memory.ram;
		require(memory_add(&memory, &r, NULL) == 0, "RAM is in the guest");
	}
	memset(memory.ram, 0, RAM_SIZE);
}

/* Mostly in RAM and aligned, for a ring that is nowhere ends the story. */
static gpa_t ring_at(struct input *in)
{
	const uint8_t kind = input_byte(in);

	return GPA(kind < 240 ? (uint64_t)kind << 8 : input_number(in));
}

static void queue_set_up(struct input *in)
{
	const uint8_t how = input_byte(in);

	virtq_reset(&queue);
	queue.size = how & 0x80 ? (uint16_t)input_bytes(in, 2) : (uint16_t)(1U << (how & 7));
	queue.event_index = how & 8;
	queue.indirect = how & 16;
	queue.packed = how & 32;
	queue.desc = ring_at(in);
	queue.avail = ring_at(in);
	queue.used = ring_at(in);
	const bool good = virtq_enable(&queue);
	require(good == !queue.broken, "a queue that cannot be is broken");
	require(!good || ((queue.packed || is_pow2(queue.size)) && queue.size &&
				 queue.size <= VIRTQ_SIZE_MAX),
		"a queue has a size that was offered");
}

#define LAP 0x8000
#define FLAG_AVAIL (1U << VRING_PACKED_DESC_F_AVAIL)
#define FLAG_USED (1U << VRING_PACKED_DESC_F_USED)

/* Whether the driver has written the entry that the device takes next, in packed form. */
static bool is_listed(void)
{
	const uint64_t at = queue.desc.v + 16 * (uint64_t)(queue.avail_place & ~LAP) + 14;
	uint16_t flags = 0;

	if (memory_le16_get(&memory, GPA(at), &flags) < 0)
		return false;
	return !(flags & FLAG_AVAIL) != !(flags & FLAG_USED) &&
	       !(flags & FLAG_AVAIL) == !(queue.avail_place & LAP);
}

/* What is between the two places of a packed ring is what chains hold. */
static void require_places(void)
{
	const unsigned size = queue.size;
	const unsigned avail = queue.avail_place & ~LAP, used = queue.used_place & ~LAP;
	const bool same_lap = !((queue.avail_place ^ queue.used_place) & LAP);

	if (!queue.packed || !queue.enabled || queue.broken)
		return;
	require(avail < size && used < size, "a place lies in its ring");
	require((same_lap ? avail - used : avail + size - used) == queue.taken,
		"the entries between the places are those of chains");
}

/* Like driver_write(), with flags that list the entry more often than not. */
static void driver_write_packed(struct input *in)
{
	const uint8_t kind = input_byte(in);
	const unsigned step = input_byte(in) % 4;
	const unsigned place = (queue.avail_place & ~LAP & UINT16_MAX) + step;
	const bool lap = !(queue.avail_place & LAP) == (queue.size && place >= queue.size);
	const uint64_t flags = (input_byte(in) & 7) | (lap ? FLAG_AVAIL : FLAG_USED);
	const uint64_t size = kind & 0x20 ? (uint32_t)input_number(in) : input_byte(in);
	const uint64_t address = kind & 0x40 ? input_number(in) : input_bytes(in, 2);
	uint64_t at = queue.desc.v + 16 * (uint64_t)(queue.size ? place % queue.size : 0);

	if ((kind & 3) == 3)
		at = input_bytes(in, 2);
	if ((kind & 7) == 6)
		at = input_byte(in) & 1 ? queue.avail.v : at + 2;
	(void)memory_le64_put(&memory, GPA(at), address);
	(void)memory_le64_put(&memory, GPA(at + 8),
		size | (uint64_t)input_byte(in) << 32 | (kind & 0x10 ? 0 : flags) << 48);
}

/* A field of the rings, or any byte. */
static void driver_write(struct input *in)
{
	const uint8_t kind = input_byte(in);
	const unsigned entry = input_byte(in) % VIRTQ_SIZE_MAX;
	const struct vring_desc d = {
		.addr = htole64(kind & 0x40 ? input_number(in) : input_bytes(in, 2)),
		.len = htole32(kind & 0x20 ? (uint32_t)input_number(in) : input_byte(in)),
		.flags = htole16((uint16_t)(input_byte(in) & 7)),
		.next = htole16(input_byte(in))};

	switch (kind & 3) {
	case 0:
		(void)memory_write(&memory, GPA(queue.desc.v + 16 * entry), &d, sizeof(d));
		break;
	case 1: /* one more is listed */
		(void)memory_le16_put(&memory, GPA(queue.avail.v + 4 + 2 * (entry % 64)),
			(uint16_t)input_byte(in));
		(void)memory_le16_put(&memory, GPA(queue.avail.v + 2),
			(uint16_t)(queue.next_avail + input_byte(in) % 4));
		break;
	case 2:
		(void)memory_write(&memory, GPA(input_bytes(in, 2)), &d, sizeof(d));
		break;
	default:
		(void)memory_le16_put(
			&memory, GPA(queue.avail.v + 2 * entry), (uint16_t)input_bytes(in, 2));
		break;
	}
}

static void require_chain(const struct virtq_chain *c)
{
	uint64_t out = 0, in = 0;

	require(c->part_count <= VIRTQ_PARTS_MAX && c->out_count <= c->part_count,
		"a chain has its parts");
	for (unsigned i = 0; i < c->part_count; i++)
		*(i < c->out_count ? &out : &in) += c->parts[i].size;
	require(out == c->out_size && in == c->in_size, "the sizes of a chain are its parts'");
}

static void device_take(struct input *in)
{
	const uint8_t byte = input_byte(in);
	const unsigned i = byte % OUT;
	const uint16_t before = queue.next_avail, place = queue.avail_place;

	if (work[i].used)
		return;
	const bool listed = !queue.packed || is_listed();
	const int r = virtq_take(&queue, &work[i].chain);
	require(listed || r != 1, "no entry is taken that the driver has not listed");
	require_places();
	require(r < 0 ? queue.broken && queue.why : r == 0 || (r == 1 && !queue.broken),
		"a take is one, none, or a broken queue");
	require((uint16_t)(queue.next_avail - before) == (r == 1), "a chain is taken once");
	require(queue.taken <= queue.size, "no more chains are out than descriptors");
	if (r != 1)
		return;
	require_chain(&work[i].chain);
	work[i].used = !(byte & 0x80);
	if (work[i].used)
		return;
	const struct virtq_done done = virtq_done_of(&work[i].chain, 0);
	virtq_untake(&queue, &done, 1);
	require(queue.next_avail == before && queue.avail_place == place,
		"what is untaken is taken next");
	require_places();
}

static void device_copy(struct input *in)
{
	static uint8_t bytes[4096];
	const struct virtq_chain *c = &work[input_byte(in) % OUT].chain;
	const uint64_t off = input_byte(in) & 1 ? input_number(in) : input_byte(in);
	const uint64_t len = input_bytes(in, 2) % sizeof(bytes);

	const int r = virtq_read(&queue, c, off, bytes, len);
	require(r != 0 || range_ok(off, len, c->out_size), "nothing is read behind a chain");
	if (c->generation != queue.generation)
		return; /* a device does not write to a chain of before the reset */
	const int w = virtq_write(&queue, c, off, bytes, len);
	require(w != 0 || range_ok(off, len, c->in_size), "nothing is written behind a chain");
}

static void device_return(struct input *in)
{
	static uint8_t before[RAM_SIZE];
	const unsigned i = input_byte(in) % OUT;
	const bool late = work[i].chain.generation != queue.generation;

	if (!work[i].used)
		return;
	work[i].used = false;
	const uint64_t at = queue.desc.v + 16 * (uint64_t)(queue.used_place & ~LAP) + 8;
	const bool packed = queue.packed && at <= RAM_SIZE - 8;
	if (late || packed)
		memcpy(before, memory.ram, RAM_SIZE);
	virtq_return(&queue, &work[i].chain, (uint32_t)input_bytes(in, 2));
	if (!late && packed)
		memcpy(before + at, (const uint8_t *)memory.ram + at, 8);
	require(!late || memcmp(before, memory.ram, RAM_SIZE) == 0,
		"a chain of before the reset writes nothing");
	require(!packed || memcmp(before, memory.ram, RAM_SIZE) == 0,
		"a return writes half an entry");
	require_places();
	require(queue.taken <= queue.size, "no chain is returned that was not taken");
}

static void any_step(struct input *in)
{
	switch (input_byte(in) & 15) {
	case 0:
		virtq_reset(&queue);
		require(virtq_take(&queue, &(struct virtq_chain){0}) == 0, "a reset queue is off");
		break;
	case 1:
		queue_set_up(in);
		break;
	case 2:
		device_return(in);
		break;
	case 3:
		device_copy(in);
		break;
	case 4:
		require(!virtq_wants_interrupt(&queue) || !virtq_wants_interrupt(&queue),
			"the driver is told once");
		break;
	case 5:
		virtq_silence(&queue);
		break;
	case 6:
		(void)virtq_listen(&queue);
		break;
	case 7:
	case 8:
	case 9:
		device_take(in);
		break;
	default:
		if (queue.packed)
			driver_write_packed(in);
		else
			driver_write(in);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, data + size};

	memory_clear();
	memset(work, 0, sizeof(work));
	queue = (struct virtq){.memory = &memory};
	queue_set_up(&in);
	for (unsigned i = 0; in.at < in.end && i < STEPS_MAX; i++)
		any_step(&in);
	return 0;
}
