/* SPDX-License-Identifier: MIT */
/* A packed virtqueue: by a driver that is honest, and then not; and beside a split one. */
#include "base/num.h"
#include "queue_driver.h"
#include "suite.h"
#include "vmm/copy.h"
#include "vmm/memory.h"
#include "vmm/virtio/queue.h"

#include <errno.h>
#include <linux/virtio_ring.h>
#include <string.h>

#define RAM_SIZE MIB(2)
#define RING 0x1000
#define DRIVER_WORD 0x2000
#define DEVICE_WORD 0x2010
#define TABLE 0x4000
#define DATA 0x8000
#define AVAIL_FLAG (1U << VRING_PACKED_DESC_F_AVAIL)
#define USED_FLAG (1U << VRING_PACKED_DESC_F_USED)

static struct memory memory = MEMORY_NONE;
static struct virtq queue;
static struct virtq_chain chain;

static void memory_start(void)
{
	memory_fini(&memory);
	memory = (struct memory)MEMORY_NONE;
	ck_assert_int_eq(memory_init(&memory, RAM_SIZE, MEMORY_PRIVATE, NULL), 0);
	const struct memory_range ram = {
		.gpa = GPA(0), .size = RAM_SIZE, .host = memory.ram, .kind = MEMORY_RAM};
	ck_assert_int_eq(memory_add(&memory, &ram, NULL), 0);
}

static void start(uint16_t size, bool event_index, bool indirect)
{
	memory_start();
	queue.memory = &memory;
	virtq_reset(&queue);
	queue.size = size;
	queue.desc = GPA(RING);
	queue.avail = GPA(DRIVER_WORD);
	queue.used = GPA(DEVICE_WORD);
	queue.event_index = event_index;
	queue.indirect = indirect;
	queue.packed = true;
	ck_assert(virtq_enable(&queue));
}

/* @flags: with AVAIL_FLAG or USED_FLAG, as the lap wants it. */
static void describe(
	uint64_t table, unsigned i, uint64_t at, uint32_t size, unsigned id, unsigned flags)
{
	const uint64_t tail = size | (uint64_t)id << 32 | (uint64_t)flags << 48;

	ck_assert_int_eq(memory_le64_put(&memory, GPA(table + 16 * i), at), 0);
	ck_assert_int_eq(memory_le64_put(&memory, GPA(table + 16 * i + 8), tail), 0);
}

static uint64_t tail_at(unsigned i)
{
	uint64_t v;

	ck_assert_int_eq(memory_le64_get(&memory, GPA(RING + 16 * i + 8), &v), 0);
	return v;
}

static uint32_t word_at(uint64_t at)
{
	uint32_t v;

	ck_assert_int_eq(memory_le32_get(&memory, GPA(at), &v), 0);
	return v;
}

static void driver_word(unsigned flags, unsigned place)
{
	ck_assert_int_eq(memory_le32_put(&memory, GPA(DRIVER_WORD), flags << 16 | place), 0);
}

static void is_broken_by(const char *why)
{
	ck_assert_int_eq(virtq_take(&queue, &chain), -EPROTO);
	ck_assert(queue.broken);
	ck_assert_str_eq(queue.why, why);
	ck_assert_int_eq(virtq_take(&queue, &chain), -EPROTO);
	ck_assert(!virtq_wants_interrupt(&queue));
	ck_assert(!virtq_listen(&queue));
}

START_TEST(takes_and_returns_chains)
{
	char text[8] = "";

	start(5, false, false);
	ck_assert_int_eq(virtq_take(&queue, &chain), 0);
	ck_assert_int_eq(memory_write(&memory, GPA(DATA), "questions", 9), 0);
	describe(RING, 1, DATA + 4, 5, 0, VRING_DESC_F_NEXT | AVAIL_FLAG);
	describe(RING, 2, DATA + 64, 6, 77, VRING_DESC_F_WRITE | AVAIL_FLAG);
	ck_assert_int_eq(virtq_take(&queue, &chain), 0);
	describe(RING, 0, DATA, 4, 0, VRING_DESC_F_NEXT | AVAIL_FLAG);
	ck_assert_int_eq(virtq_take(&queue, &chain), 1);
	ck_assert_uint_eq(chain.head, 77);
	ck_assert_uint_eq(chain.spread, 3);
	ck_assert_uint_eq(chain.out_count, 2);
	ck_assert_uint_eq(chain.part_count, 3);
	ck_assert_uint_eq(chain.out_size, 9);
	ck_assert_uint_eq(chain.in_size, 6);
	ck_assert_int_eq(virtq_read(&queue, &chain, 2, text, 6), 0);
	ck_assert_int_eq(memcmp(text, "estion", 6), 0);
	ck_assert_int_eq(virtq_take(&queue, &chain), 0);
	virtq_return(&queue, &chain, 5);
	ck_assert_uint_eq(
		tail_at(0), 5 | UINT64_C(77) << 32 |
				    (uint64_t)(AVAIL_FLAG | USED_FLAG | VRING_DESC_F_WRITE) << 48);
	ck_assert_uint_eq(queue.taken, 0);
	ck_assert_uint_eq(queue.next_used, 1);
	ck_assert(virtq_wants_interrupt(&queue));
	ck_assert(!virtq_wants_interrupt(&queue));
}
END_TEST

/* The meaning of the flags changes with each lap, and a chain may lie over the end. */
START_TEST(goes_round_its_ring)
{
	start(5, false, false);
	for (unsigned n = 0, place = 0; n < 1000; n++) {
		const unsigned spread = 1 + n % 4;
		for (unsigned i = spread; i--;) {
			const bool first_lap = !((place + i) / 5 % 2);
			describe(RING, (place + i) % 5, DATA, 16, n & 0xff,
				(i + 1 < spread ? VRING_DESC_F_NEXT : 0U) |
					(first_lap ? AVAIL_FLAG : USED_FLAG));
		}
		ck_assert_int_eq(virtq_take(&queue, &chain), 1);
		ck_assert_uint_eq(chain.head, n & 0xff);
		ck_assert_uint_eq(chain.part_count, spread);
		ck_assert_int_eq(virtq_take(&queue, &chain), 0);
		virtq_return(&queue, &chain, 0);
		ck_assert_uint_eq(
			tail_at(place % 5) >> 48, place / 5 % 2 ? 0 : AVAIL_FLAG | USED_FLAG);
		place += spread;
	}
}
END_TEST

START_TEST(follows_an_indirect_table)
{
	start(4, false, true);
	describe(TABLE, 0, DATA, 16, 0, VRING_DESC_F_NEXT);
	/* Of the flags in a table, one counts: Linux leaves the others as they are. */
	describe(TABLE, 1, DATA + 16, 512, 9, 0xffff);
	describe(TABLE, 2, DATA + 600, 1, 0, VRING_DESC_F_WRITE);
	describe(RING, 0, TABLE, 48, 3, VRING_DESC_F_INDIRECT | AVAIL_FLAG);
	ck_assert_int_eq(virtq_take(&queue, &chain), 1);
	ck_assert_uint_eq(chain.head, 3);
	ck_assert_uint_eq(chain.spread, 1);
	ck_assert_uint_eq(chain.part_count, 3);
	ck_assert_uint_eq(chain.out_count, 1);
	ck_assert_uint_eq(chain.in_size, 513);
}
END_TEST

/* The driver sees none of them before it sees the first. */
START_TEST(returns_several_together)
{
	struct virtq_done done[3];

	start(8, false, false);
	for (unsigned i = 0; i < 6; i++)
		describe(RING, i, DATA, 16, i, (i % 2 ? 0 : VRING_DESC_F_NEXT) | AVAIL_FLAG);
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_int_eq(virtq_take(&queue, &chain), 1);
		done[2 - i] = virtq_done_of(&chain, i);
	}
	virtq_return_together(&queue, done, 3);
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_uint_eq(tail_at(2 * i) & UINT32_MAX, 2 - i);
		ck_assert_uint_eq(tail_at(2 * i) >> 32 & UINT16_MAX, 5 - 2 * i);
	}
	ck_assert_uint_eq(queue.taken, 0);
	ck_assert_uint_eq(queue.next_used, 3);
}
END_TEST

START_TEST(untakes_what_it_took_last)
{
	struct virtq_done done[2];

	start(4, false, false);
	for (unsigned i = 0; i < 4; i++)
		describe(RING, i, DATA, 16, i, (i % 2 ? 0 : VRING_DESC_F_NEXT) | AVAIL_FLAG);
	for (unsigned i = 0; i < 2; i++) {
		ck_assert_int_eq(virtq_take(&queue, &chain), 1);
		done[i] = virtq_done_of(&chain, 0);
	}
	virtq_untake(&queue, done, 2);
	ck_assert_uint_eq(queue.taken, 0);
	for (unsigned i = 0; i < 2; i++) {
		ck_assert_int_eq(virtq_take(&queue, &chain), 1);
		ck_assert_uint_eq(chain.head, 2 * i + 1);
	}
}
END_TEST

/* Lists, takes and returns a chain of one entry. */
static bool one_wants_interrupt(unsigned n)
{
	describe(RING, n % 4, DATA, 16, 0, n / 4 % 2 ? USED_FLAG : AVAIL_FLAG);
	ck_assert_int_eq(virtq_take(&queue, &chain), 1);
	virtq_return(&queue, &chain, 0);
	return virtq_wants_interrupt(&queue);
}

START_TEST(interrupts_when_the_driver_says)
{
	start(4, true, false);
	ck_assert(one_wants_interrupt(0));
	driver_word(VRING_PACKED_EVENT_FLAG_DISABLE, 0);
	ck_assert(!one_wants_interrupt(1));
	/* When entry 3 of the first lap comes back, and then entry 1 of the next one. */
	driver_word(VRING_PACKED_EVENT_FLAG_DESC, 3 | 0x8000);
	ck_assert(!one_wants_interrupt(2));
	ck_assert(one_wants_interrupt(3));
	driver_word(VRING_PACKED_EVENT_FLAG_DESC, 1);
	ck_assert(!one_wants_interrupt(4));
	ck_assert(one_wants_interrupt(5));
	ck_assert(!one_wants_interrupt(6));
	/* A lap has passed over entry 1 of the third one: 7, 8, and 9 at once. */
	driver_word(VRING_PACKED_EVENT_FLAG_DESC, 1 | 0x8000);
	for (unsigned n = 7; n < 10; n++) {
		describe(RING, n % 4, DATA, 16, 0, n / 4 % 2 ? USED_FLAG : AVAIL_FLAG);
		ck_assert_int_eq(virtq_take(&queue, &chain), 1);
		virtq_return(&queue, &chain, 0);
	}
	ck_assert(virtq_wants_interrupt(&queue));
	/* A place is for a driver with the event index. */
	queue.event_index = false;
	ck_assert(one_wants_interrupt(10));
	driver_word(3, 0);
	ck_assert(one_wants_interrupt(11));
}
END_TEST

START_TEST(hears_what_comes_while_it_was_deaf)
{
	start(4, true, false);
	virtq_silence(&queue);
	ck_assert(!virtq_listen(&queue));
	ck_assert_uint_eq(word_at(DEVICE_WORD), VRING_PACKED_EVENT_FLAG_DESC << 16 | 0x8000);
	describe(RING, 0, DATA, 16, 0, AVAIL_FLAG);
	ck_assert(virtq_listen(&queue));
	ck_assert_int_eq(virtq_take(&queue, &chain), 1);
	ck_assert(!virtq_listen(&queue));
	ck_assert_uint_eq(word_at(DEVICE_WORD), VRING_PACKED_EVENT_FLAG_DESC << 16 | 0x8001);
	queue.event_index = false;
	virtq_silence(&queue);
	ck_assert_uint_eq(word_at(DEVICE_WORD) >> 16, VRING_PACKED_EVENT_FLAG_DISABLE);
	ck_assert(!virtq_listen(&queue));
	ck_assert_uint_eq(word_at(DEVICE_WORD) >> 16, VRING_PACKED_EVENT_FLAG_ENABLE);
}
END_TEST

START_TEST(drops_a_chain_of_before_a_reset)
{
	start(4, false, false);
	describe(RING, 0, DATA, 16, 0, AVAIL_FLAG);
	ck_assert_int_eq(virtq_take(&queue, &chain), 1);
	virtq_reset(&queue);
	const uint64_t before = tail_at(0);
	virtq_return(&queue, &chain, 16);
	ck_assert_uint_eq(tail_at(0), before);
	queue.size = 4;
	queue.desc = GPA(RING);
	queue.avail = GPA(DRIVER_WORD);
	queue.used = GPA(DEVICE_WORD);
	queue.packed = true;
	ck_assert(virtq_enable(&queue));
	virtq_return(&queue, &chain, 16);
	ck_assert_uint_eq(tail_at(0), before);
	ck_assert_int_eq(virtq_take(&queue, &chain), 1);
}
END_TEST

START_TEST(refuses_rings_that_cannot_be)
{
	static const struct {
		uint16_t size;
		uint64_t desc, avail, used;
	} bad[] = {
		{0, RING, DRIVER_WORD, DEVICE_WORD},
		{VIRTQ_SIZE_MAX + 1, RING, DRIVER_WORD, DEVICE_WORD},
		{8, RING + 8, DRIVER_WORD, DEVICE_WORD},
		{8, RING, DRIVER_WORD + 2, DEVICE_WORD},
		{8, RING, DRIVER_WORD, DEVICE_WORD + 2},
		{8, UINT64_MAX - 15, DRIVER_WORD, DEVICE_WORD},
		{8, RING, UINT64_MAX - 3, DEVICE_WORD},
		{8, RING, DRIVER_WORD, UINT64_MAX - 3},
	};

	start(8, false, false);
	for (size_t i = 0; i < COUNT(bad); i++) {
		virtq_reset(&queue);
		queue.packed = true;
		queue.size = bad[i].size;
		queue.desc = GPA(bad[i].desc);
		queue.avail = GPA(bad[i].avail);
		queue.used = GPA(bad[i].used);
		ck_assert(!virtq_enable(&queue));
		ck_assert_int_eq(virtq_take(&queue, &chain), -EPROTO);
	}
}
END_TEST

START_TEST(rings_outside_of_ram_break_it)
{
	start(4, false, false);
	queue.desc = GPA(MIB(64));
	is_broken_by("a table of descriptors is not in RAM");
	start(4, false, false);
	describe(RING, 0, DATA, 16, 0, AVAIL_FLAG);
	ck_assert_int_eq(virtq_take(&queue, &chain), 1);
	queue.desc = GPA(MIB(64));
	virtq_return(&queue, &chain, 16);
	ck_assert_str_eq(queue.why, "its ring is not in writable RAM");
	start(4, false, false);
	queue.used = GPA(MIB(64));
	ck_assert(!virtq_listen(&queue));
	ck_assert_str_eq(queue.why, "the device's word of notification is not in writable RAM");
	start(4, false, false);
	queue.avail = GPA(MIB(64));
	describe(RING, 0, DATA, 16, 0, AVAIL_FLAG);
	ck_assert_int_eq(virtq_take(&queue, &chain), 1);
	virtq_return(&queue, &chain, 16);
	ck_assert(!virtq_wants_interrupt(&queue));
	ck_assert_str_eq(queue.why, "the driver's word of notification is not in RAM");
}
END_TEST

START_TEST(chains_that_cannot_be_break_it)
{
	start(4, false, false);
	for (unsigned i = 0; i < 4; i++)
		describe(RING, i, DATA, 16, 0, VRING_DESC_F_NEXT | AVAIL_FLAG);
	is_broken_by("a chain has more descriptors than the queue, or is a loop");
	/* The second chain would hold an entry of the first one. */
	start(4, false, false);
	describe(RING, 0, DATA, 16, 0, AVAIL_FLAG);
	ck_assert_int_eq(virtq_take(&queue, &chain), 1);
	for (unsigned i = 1; i < 4; i++)
		describe(RING, i, DATA, 16, 0, VRING_DESC_F_NEXT | AVAIL_FLAG);
	is_broken_by("a chain has more descriptors than the queue, or is a loop");
	start(4, false, false);
	describe(RING, 1, DATA, 16, 0, 0);
	describe(RING, 0, DATA, 16, 0, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE | AVAIL_FLAG);
	is_broken_by("a descriptor to read from comes after one to write to");
}
END_TEST

START_TEST(more_chains_than_entries_break_it)
{
	start(2, false, false);
	for (unsigned i = 0; i < 2; i++) {
		describe(RING, i, DATA, 16, 0, AVAIL_FLAG);
		ck_assert_int_eq(virtq_take(&queue, &chain), 1);
	}
	describe(RING, 0, DATA, 16, 0, USED_FLAG);
	is_broken_by("more chains are listed than it has descriptors");
}
END_TEST

START_TEST(indirect_tables_that_cannot_be_break_it)
{
	static const uint32_t sizes[] = {0, 8, 17};

	start(4, false, false);
	describe(RING, 0, TABLE, 16, 0, VRING_DESC_F_INDIRECT | AVAIL_FLAG);
	is_broken_by("an indirect descriptor is where none may be");
	start(4, false, true);
	describe(RING, 0, TABLE, 16, 0, VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT | AVAIL_FLAG);
	is_broken_by("an indirect descriptor goes on");
	for (size_t i = 0; i < COUNT(sizes); i++) {
		start(4, false, true);
		describe(RING, 0, TABLE, sizes[i], 0, VRING_DESC_F_INDIRECT | AVAIL_FLAG);
		is_broken_by("an indirect table has no such size");
	}
	start(4, false, true);
	describe(RING, 0, TABLE, 16 * (VIRTQ_PARTS_MAX + 1), 0, VRING_DESC_F_INDIRECT | AVAIL_FLAG);
	is_broken_by("a chain has more descriptors than the queue, or is a loop");
}
END_TEST

/* --- The same traffic by both forms ----------------------------------------------------------- */

#define ROUNDS 20000
#define WORK_MAX 6

/* A form, its driver, and the chains that its device has in work. */
struct side {
	struct virtq queue;
	struct queue_driver driver;
	struct virtq_chain work[WORK_MAX];
	unsigned work_count;
};

static struct side sides[2];

static void sides_start(uint16_t size, bool event_index)
{
	memory_start();
	for (unsigned i = 0; i < 2; i++) {
		struct side *s = &sides[i];
		s->work_count = 0;
		s->queue.memory = &memory;
		virtq_reset(&s->queue);
		s->queue.packed = i;
		s->queue.indirect = true;
		s->queue.event_index = event_index;
		queue_driver_place(&s->driver, &s->queue, size, KIB(512) * i + KIB(64));
		ck_assert(virtq_enable(&s->queue));
	}
}

static void device_take(struct side *s)
{
	if (s->work_count < WORK_MAX && virtq_take(&s->queue, &s->work[s->work_count]) == 1)
		s->work_count++;
}

/* The answer follows from the question. */
static void device_answer(struct side *s, unsigned i)
{
	struct virtq_chain *c = &s->work[i];
	uint8_t bytes[64];
	uint64_t question;

	ck_assert_int_eq(virtq_read(&s->queue, c, c->out_size - 8, &question, 8), 0);
	const size_t len = (size_t)min_u64(question % 64, c->in_size);
	memset(bytes, (int)(question >> 8), sizeof(bytes));
	ck_assert_int_eq(virtq_write(&s->queue, c, 0, bytes, len), 0);
	virtq_return(&s->queue, c, (uint32_t)len);
	*c = s->work[--s->work_count];
}

static void device_step(struct side *s, uint32_t bits)
{
	switch (bits & 3) {
	case 0:
	case 1:
		device_take(s);
		break;
	case 2:
		if (s->work_count)
			device_answer(s, (bits >> 2) % s->work_count);
		break;
	default:
		virtq_silence(&s->queue);
		(void)virtq_listen(&s->queue);
		break;
	}
}

/* Return: false: nothing has come back, on either side. */
static bool answers_compare(void)
{
	struct queue_answer a[2];
	const bool came = queue_driver_collect(&sides[0].driver, &a[0]);

	ck_assert_int_eq(queue_driver_collect(&sides[1].driver, &a[1]), came);
	if (!came)
		return false;
	ck_assert_uint_eq(a[0].question, a[1].question);
	ck_assert_uint_eq(a[0].written, a[1].written);
	ck_assert_int_eq(memcmp(a[0].bytes, a[1].bytes, sizeof(a[0].bytes)), 0);
	return true;
}

static void same_traffic(uint16_t size, bool event_index)
{
	uint32_t state = size + event_index, answers = 0;

	sides_start(size, event_index);
	for (unsigned n = 0; n < ROUNDS; n++) {
		state = state * 1664525 + 1013904223;
		const uint32_t bits = state >> 8;
		for (unsigned i = 0; i < 2; i++) {
			if (bits & 1)
				queue_driver_list(&sides[i].driver, bits);
			else
				device_step(&sides[i], bits >> 1);
		}
		ck_assert_uint_eq(sides[0].work_count, sides[1].work_count);
		ck_assert(!sides[0].queue.broken && !sides[1].queue.broken);
		if (bits & 0x10000)
			answers += answers_compare();
		ck_assert_int_eq(virtq_wants_interrupt(&sides[0].queue),
			virtq_wants_interrupt(&sides[1].queue));
	}
	ck_assert_uint_gt(answers, ROUNDS / 20);
}

START_TEST(answers_as_a_split_one_does)
{
	static const uint16_t sizes[] = {4, 8, 32, 256};

	for (size_t i = 0; i < COUNT(sizes); i++) {
		same_traffic(sizes[i], false);
		same_traffic(sizes[i], true);
	}
}
END_TEST

SUITE("virtio_packed", takes_and_returns_chains, goes_round_its_ring, follows_an_indirect_table,
	returns_several_together, untakes_what_it_took_last, interrupts_when_the_driver_says,
	hears_what_comes_while_it_was_deaf, drops_a_chain_of_before_a_reset,
	refuses_rings_that_cannot_be, rings_outside_of_ram_break_it, chains_that_cannot_be_break_it,
	more_chains_than_entries_break_it, indirect_tables_that_cannot_be_break_it,
	answers_as_a_split_one_does)
