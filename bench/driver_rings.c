/* SPDX-License-Identifier: MIT */
/*
 * driver_rings split|packed PARTS BATCH COUNT: a driver lists BATCH requests of PARTS descriptors
 * each (0: a table of three), and a device takes them and returns them. For callgrind, which
 * counts what happens inside device_turn(): all that a device does with its queue, and nothing of
 * the driver.
 */
#include "base/num.h"
#include "vmm/copy.h"
#include "vmm/memory.h"
#include "vmm/virtio/queue.h"

#include <linux/virtio_ring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RAM MIB(2)
#define SIZE 256
#define RING 0x10000
#define AVAIL 0x20000
#define USED 0x30000
#define TABLES 0x40000
#define DATA 0x80000
#define BATCH_MAX 32

static struct memory memory = MEMORY_NONE;
static struct virtq queue;
static struct virtq_chain chain;
static struct virtq_done done[BATCH_MAX];
static unsigned parts, listed, place;
static volatile bool wanted;

/* Takes and returns as vmm/virtio/blk.c does. */
__attribute__((noinline)) static unsigned device_turn(void)
{
	unsigned count = 0;

	virtq_silence(&queue);
	do {
		while (count < BATCH_MAX && virtq_take(&queue, &chain) == 1)
			done[count++] = virtq_done_of(&chain, 1);
	} while (virtq_listen(&queue));
	for (unsigned i = 0; i < count; i++)
		virtq_return_together(&queue, &done[i], 1);
	wanted = virtq_wants_interrupt(&queue);
	return count;
}

static void desc_put(uint64_t at, uint64_t address, uint32_t size, unsigned flags, unsigned other)
{
	const uint64_t tail = size | (queue.packed ? (uint64_t)other << 32 | (uint64_t)flags << 48
						   : (uint64_t)flags << 32 | (uint64_t)other << 48);

	(void)memory_le64_put(&memory, GPA(at), address);
	(void)memory_le64_put(&memory, GPA(at + 8), tail);
}

/* One part to read, and the rest to write. */
static unsigned flags_of(unsigned i, unsigned count)
{
	return (i ? VRING_DESC_F_WRITE : 0U) | (i + 1 < count ? VRING_DESC_F_NEXT : 0U);
}

/* The table of request @n, if it has one. Return: descriptors for the ring. */
static unsigned table_put(unsigned n)
{
	const uint64_t at = TABLES + 64 * (n % SIZE);

	for (unsigned i = 0; !parts && i < 3; i++)
		desc_put(at + 16 * i, DATA + 4096 * i, 512, flags_of(i, 3), i + 1);
	return parts ? parts : 1;
}

static void packed_list(unsigned n)
{
	const unsigned count = table_put(n);

	for (unsigned i = count; i--;) {
		const unsigned lap = (place + i) / SIZE % 2 ? VRING_PACKED_DESC_F_USED
							    : VRING_PACKED_DESC_F_AVAIL;
		desc_put(RING + 16 * ((place + i) % SIZE),
			parts ? DATA + 4096 * i : TABLES + 64 * (n % SIZE), parts ? 512 : 48,
			1U << lap | (parts ? flags_of(i, count) : VRING_DESC_F_INDIRECT), n % SIZE);
	}
	place += count;
}

static void split_list(unsigned n)
{
	const unsigned count = table_put(n), head = n * count % SIZE;

	for (unsigned i = 0; i < count; i++)
		desc_put(RING + 16 * ((head + i) % SIZE),
			parts ? DATA + 4096 * i : TABLES + 64 * (n % SIZE), parts ? 512 : 48,
			parts ? flags_of(i, count) : VRING_DESC_F_INDIRECT, (head + i + 1) % SIZE);
	(void)memory_le16_put(&memory, GPA(AVAIL + 4 + 2 * (n % SIZE)), (uint16_t)head);
	(void)memory_le16_put(&memory, GPA(AVAIL + 2), (uint16_t)(n + 1));
}

static int rings_place(bool packed)
{
	struct memory_range ram = {.size = RAM, .kind = MEMORY_RAM};

	if (memory_init(&memory, RAM, MEMORY_PRIVATE, NULL) < 0)
		return -1;
	ram.host = memory.ram;
	if (memory_add(&memory, &ram, NULL) < 0)
		return -1;
	queue.memory = &memory;
	virtq_reset(&queue);
	queue.size = SIZE;
	queue.packed = packed;
	queue.indirect = queue.event_index = true;
	queue.desc = GPA(RING);
	queue.avail = GPA(AVAIL);
	queue.used = GPA(USED);
	return virtq_enable(&queue) ? 0 : -1;
}

int main(int argc, char **argv)
{
	if (argc != 5 || rings_place(strcmp(argv[1], "packed") == 0) < 0)
		return 2;
	parts = (unsigned)atoi(argv[2]);
	const unsigned batch = (unsigned)atoi(argv[3]), count = (unsigned)atoi(argv[4]);
	if (!batch || batch > BATCH_MAX || parts > 7)
		return 2;
	while (listed < count) {
		for (unsigned i = 0; i < batch; i++, listed++) {
			if (queue.packed)
				packed_list(listed);
			else
				split_list(listed);
		}
		if (device_turn() != batch)
			return 1;
	}
	return 0;
}
