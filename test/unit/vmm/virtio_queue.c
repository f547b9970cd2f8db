/* SPDX-License-Identifier: MIT */
/* A virtqueue whose driver is this test: honest, and then not. */
#include "base/endian.h"
#include "base/num.h"
#include "suite.h"
#include "vmm/copy.h"
#include "vmm/memory.h"
#include "vmm/virtio/queue.h"

#include <errno.h>
#include <linux/virtio_ring.h>

#define SIZE 8
#define DESC 0x1000
#define AVAIL 0x2000
#define USED 0x3000
#define TABLE 0x4000
#define DATA 0x8000

static struct memory memory = MEMORY_NONE;
static struct virtq queue;
static struct virtq_chain chain;
static uint16_t listed; /* the driver's available index */

static void start(bool event_index, bool indirect)
{
	memory_fini(&memory);
	memory = (struct memory)MEMORY_NONE;
	ck_assert_int_eq(memory_init(&memory, MIB(2), MEMORY_PRIVATE, NULL), 0);
	const struct memory_range ram = {
		.gpa = GPA(0), .size = MIB(2), .host = memory.ram, .kind = MEMORY_RAM};
	ck_assert_int_eq(memory_add(&memory, &ram, NULL), 0);
	queue.memory = &memory;
	virtq_reset(&queue);
	queue.size = SIZE;
	queue.desc = GPA(DESC);
	queue.avail = GPA(AVAIL);
	queue.used = GPA(USED);
	queue.event_index = event_index;
	queue.indirect = indirect;
	ck_assert(virtq_enable(&queue));
	listed = 0;
}

static void describe(
	uint64_t table, unsigned i, uint64_t at, uint32_t size, unsigned flags, unsigned next)
{
	const struct vring_desc d = {
		htole64(at), htole32(size), htole16((uint16_t)flags), htole16((uint16_t)next)};

	ck_assert_int_eq(memory_write(&memory, GPA(table + 16 * i), &d, sizeof(d)), 0);
}

static void list_head(unsigned head)
{
	const uint64_t at = AVAIL + 4 + 2 * (listed % SIZE);

	ck_assert_int_eq(memory_le16_put(&memory, GPA(at), (uint16_t)head), 0);
	ck_assert_int_eq(memory_le16_put(&memory, GPA(AVAIL + 2), ++listed), 0);
}

static unsigned word_at(uint64_t at)
{
	uint16_t v;

	ck_assert_int_eq(memory_le16_get(&memory, GPA(at), &v), 0);
	return v;
}

static void is_broken_by(const char *why)
{
	ck_assert_int_eq(virtq_take(&queue, &chain), -EPROTO);
	ck_assert(queue.broken);
	ck_assert_str_eq(queue.why, why);
	/* It stays so, and says nothing to the driver. */
	ck_assert_int_eq(virtq_take(&queue, &chain), -EPROTO);
	ck_assert(!virtq_wants_interrupt(&queue));
}

START_TEST(takes_and_returns_chains)
{
	char text[8] = "", back[4];
	uint32_t id, written;

	start(false, false);
	ck_assert_int_eq(virtq_take(&queue, &chain), 0);
	ck_assert_int_eq(memory_write(&memory, GPA(DATA), "questions", 9), 0);
	describe(DESC, 3, DATA, 4, VRING_DESC_F_NEXT, 5);
	describe(DESC, 5, DATA + 4, 5, VRING_DESC_F_NEXT, 1);
	describe(DESC, 1, DATA + 64, 6, VRING_DESC_F_WRITE, 0);
	list_head(3);
	ck_assert_int_eq(virtq_take(&queue, &chain), 1);
	ck_assert_uint_eq(chain.head, 3);
	ck_assert_uint_eq(chain.out_count, 2);
	ck_assert_uint_eq(chain.part_count, 3);
	ck_assert_uint_eq(chain.out_size, 9);
	ck_assert_uint_eq(chain.in_size, 6);
	ck_assert_int_eq(virtq_read(&queue, &chain, 2, text, 6), 0);
	ck_assert_int_eq(memcmp(text, "estion", 6), 0);
	ck_assert_int_eq(virtq_read(&queue, &chain, 4, text, 6), -ERANGE);
	ck_assert_int_eq(virtq_write(&queue, &chain, 2, "yes", 3), 0);
	ck_assert_int_eq(virtq_write(&queue, &chain, 4, "yes", 3), -ERANGE);
	ck_assert_int_eq(memory_read(&memory, GPA(DATA + 66), back, 3), 0);
	ck_assert_int_eq(memcmp(back, "yes", 3), 0);
	ck_assert(!virtq_wants_interrupt(&queue));
	virtq_return(&queue, &chain, 5);
	ck_assert_uint_eq(word_at(USED + 2), 1);
	ck_assert_int_eq(memory_le32_get(&memory, GPA(USED + 4), &id), 0);
	ck_assert_int_eq(memory_le32_get(&memory, GPA(USED + 8), &written), 0);
	ck_assert_uint_eq(id, 3);
	ck_assert_uint_eq(written, 5);
	ck_assert(virtq_wants_interrupt(&queue));
	ck_assert(!virtq_wants_interrupt(&queue));
	ck_assert_int_eq(virtq_take(&queue, &chain), 0);
}
END_TEST

START_TEST(finds_a_byte_to_write)
{
	gpa_t at;

	start(false, false);
	describe(DESC, 0, DATA, 16, VRING_DESC_F_NEXT, 1);
	describe(DESC, 1, DATA + 64, 3, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 2);
	describe(DESC, 2, DATA, 0, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 3);
	describe(DESC, 3, UINT64_MAX - 1, 4, VRING_DESC_F_WRITE, 0);
	list_head(0);
	ck_assert_int_eq(virtq_take(&queue, &chain), 1);
	ck_assert_int_eq(virtq_find(&chain, 0, &at), 0);
	ck_assert_uint_eq(at.v, DATA + 64);
	ck_assert_int_eq(virtq_find(&chain, 2, &at), 0);
	ck_assert_uint_eq(at.v, DATA + 66);
	ck_assert_int_eq(virtq_find(&chain, 3, &at), 0);
	ck_assert_uint_eq(at.v, UINT64_MAX - 1);
	ck_assert_int_eq(virtq_find(&chain, 5, &at), -EFAULT);
	ck_assert_int_eq(virtq_find(&chain, 7, &at), -ERANGE);
}
END_TEST

START_TEST(follows_an_indirect_table)
{
	start(false, true);
	describe(DESC, 0, TABLE, 48, VRING_DESC_F_INDIRECT, 0);
	describe(TABLE, 0, DATA, 16, VRING_DESC_F_NEXT, 2);
	describe(TABLE, 2, DATA + 16, 512, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 1);
	describe(TABLE, 1, DATA + 600, 1, VRING_DESC_F_WRITE, 0);
	list_head(0);
	ck_assert_int_eq(virtq_take(&queue, &chain), 1);
	ck_assert_uint_eq(chain.part_count, 3);
	ck_assert_uint_eq(chain.out_count, 1);
	ck_assert_uint_eq(chain.in_size, 513);
	/* One from the table behind a direct one. */
	describe(DESC, 4, DATA, 16, VRING_DESC_F_NEXT, 0);
	list_head(4);
	ck_assert_int_eq(virtq_take(&queue, &chain), 1);
	ck_assert_uint_eq(chain.part_count, 4);
}
END_TEST

START_TEST(goes_round_its_rings)
{
	uint32_t id;

	start(true, false);
	for (unsigned i = 0; i < SIZE; i++)
		describe(DESC, i, DATA + 16 * i, 16, VRING_DESC_F_WRITE, 0);
	for (unsigned i = 0; i < 70000; i++) {
		list_head(i % SIZE);
		ck_assert_int_eq(virtq_take(&queue, &chain), 1);
		ck_assert_uint_eq(chain.head, i % SIZE);
		virtq_return(&queue, &chain, 16);
		ck_assert_int_eq(memory_le32_get(&memory, GPA(USED + 4 + 8 * (i % SIZE)), &id), 0);
		ck_assert_uint_eq(id, i % SIZE);
	}
	ck_assert_uint_eq(word_at(USED + 2), 70000 & 0xffff);
}
END_TEST

START_TEST(interrupts_when_the_driver_says)
{
	start(true, false);
	describe(DESC, 0, DATA, 16, VRING_DESC_F_WRITE, 0);
	/* At the third return, by the word behind the available ring. */
	ck_assert_int_eq(memory_le16_put(&memory, GPA(AVAIL + 4 + 2 * SIZE), 2), 0);
	for (unsigned i = 0; i < 4; i++) {
		list_head(0);
		ck_assert_int_eq(virtq_take(&queue, &chain), 1);
		virtq_return(&queue, &chain, 0);
		ck_assert_int_eq(virtq_wants_interrupt(&queue), i == 2);
	}
	/* Two returns may pass the index at once. */
	ck_assert_int_eq(memory_le16_put(&memory, GPA(AVAIL + 4 + 2 * SIZE), 4), 0);
	for (unsigned i = 0; i < 2; i++) {
		list_head(0);
		ck_assert_int_eq(virtq_take(&queue, &chain), 1);
		virtq_return(&queue, &chain, 0);
	}
	ck_assert(virtq_wants_interrupt(&queue));
}
END_TEST

START_TEST(hears_what_comes_while_it_was_deaf)
{
	start(true, false);
	describe(DESC, 0, DATA, 16, VRING_DESC_F_WRITE, 0);
	virtq_silence(&queue);
	ck_assert(!virtq_listen(&queue));
	ck_assert_uint_eq(word_at(USED + 4 + 8 * SIZE), 0);
	list_head(0);
	ck_assert(virtq_listen(&queue));
	ck_assert_int_eq(virtq_take(&queue, &chain), 1);
	ck_assert(!virtq_listen(&queue));
	ck_assert_uint_eq(word_at(USED + 4 + 8 * SIZE), 1);
	/* A driver without the event index reads a flag. */
	queue.event_index = false;
	virtq_silence(&queue);
	ck_assert_uint_eq(word_at(USED), VRING_USED_F_NO_NOTIFY);
	ck_assert(!virtq_listen(&queue));
	ck_assert_uint_eq(word_at(USED), 0);
	ck_assert_int_eq(memory_le16_put(&memory, GPA(AVAIL), VRING_AVAIL_F_NO_INTERRUPT), 0);
	virtq_return(&queue, &chain, 0);
	ck_assert(!virtq_wants_interrupt(&queue));
}
END_TEST

START_TEST(drops_a_chain_of_before_a_reset)
{
	start(false, false);
	describe(DESC, 0, DATA, 16, VRING_DESC_F_WRITE, 0);
	list_head(0);
	ck_assert_int_eq(virtq_take(&queue, &chain), 1);
	virtq_reset(&queue);
	ck_assert_int_eq(memory_fill(&memory, GPA(USED), 0xee, 64), 0);
	virtq_return(&queue, &chain, 16);
	ck_assert_uint_eq(word_at(USED + 2), 0xeeee);
	ck_assert_uint_eq(queue.taken, 0);
	queue.size = SIZE;
	queue.desc = GPA(DESC);
	queue.avail = GPA(AVAIL);
	queue.used = GPA(USED);
	ck_assert(virtq_enable(&queue));
	virtq_return(&queue, &chain, 16);
	ck_assert_uint_eq(word_at(USED + 2), 0xeeee);
}
END_TEST

START_TEST(refuses_rings_that_cannot_be)
{
	static const struct {
		uint16_t size;
		uint64_t desc, avail, used;
	} bad[] = {
		{0, DESC, AVAIL, USED},
		{6, DESC, AVAIL, USED},
		{512, DESC, AVAIL, USED},
		{SIZE, DESC + 8, AVAIL, USED},
		{SIZE, DESC, AVAIL + 1, USED},
		{SIZE, DESC, AVAIL, USED + 2},
		{SIZE, UINT64_MAX - 15, AVAIL, USED},
		{SIZE, DESC, UINT64_MAX - 15, USED},
		{SIZE, DESC, AVAIL, UINT64_MAX - 15},
	};

	start(false, false);
	for (size_t i = 0; i < COUNT(bad); i++) {
		virtq_reset(&queue);
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
	start(false, false);
	queue.avail = GPA(MIB(2) - 2);
	is_broken_by("its available ring is not in RAM");
	virtq_reset(&queue);
	start(false, false);
	queue.desc = GPA(MIB(64));
	list_head(0);
	is_broken_by("a table of descriptors is not in RAM");
	start(false, false);
	describe(DESC, 0, DATA, 16, VRING_DESC_F_WRITE, 0);
	list_head(0);
	queue.used = GPA(MIB(64));
	ck_assert_int_eq(virtq_take(&queue, &chain), 1);
	virtq_return(&queue, &chain, 16);
	ck_assert(queue.broken);
}
END_TEST

START_TEST(an_index_too_far_ahead_breaks_it)
{
	start(false, false);
	ck_assert_int_eq(memory_le16_put(&memory, GPA(AVAIL + 2), SIZE + 1), 0);
	is_broken_by("its available index is ahead by more than its size");
}
END_TEST

START_TEST(more_chains_than_descriptors_break_it)
{
	start(false, false);
	describe(DESC, 0, DATA, 16, VRING_DESC_F_WRITE, 0);
	for (unsigned i = 0; i < SIZE; i++) {
		list_head(0);
		ck_assert_int_eq(virtq_take(&queue, &chain), 1);
	}
	list_head(0);
	is_broken_by("more chains are listed than it has descriptors");
}
END_TEST

START_TEST(chains_that_cannot_be_break_it)
{
	start(false, false);
	list_head(SIZE);
	is_broken_by("a descriptor names one beyond its table");
	start(false, false);
	describe(DESC, 0, DATA, 16, VRING_DESC_F_NEXT, SIZE);
	list_head(0);
	is_broken_by("a descriptor names one beyond its table");
	start(false, false);
	describe(DESC, 0, DATA, 16, VRING_DESC_F_NEXT, 1);
	describe(DESC, 1, DATA, 16, VRING_DESC_F_NEXT, 0);
	list_head(0);
	is_broken_by("a chain has more descriptors than the queue, or is a loop");
	start(false, false);
	describe(DESC, 0, DATA, 16, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 1);
	describe(DESC, 1, DATA, 16, 0, 0);
	list_head(0);
	is_broken_by("a descriptor to read from comes after one to write to");
}
END_TEST

START_TEST(indirect_tables_that_cannot_be_break_it)
{
	start(false, false);
	describe(DESC, 0, TABLE, 16, VRING_DESC_F_INDIRECT, 0);
	list_head(0);
	is_broken_by("an indirect descriptor is where none may be");
	start(false, true);
	describe(DESC, 0, TABLE, 16, VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT, 1);
	list_head(0);
	is_broken_by("an indirect descriptor goes on");
	start(false, true);
	describe(DESC, 0, TABLE, 16, VRING_DESC_F_INDIRECT, 0);
	describe(TABLE, 0, TABLE, 16, VRING_DESC_F_INDIRECT, 0);
	list_head(0);
	is_broken_by("an indirect descriptor is where none may be");
	static const uint32_t sizes[] = {0, 8, 17};
	for (size_t i = 0; i < COUNT(sizes); i++) {
		start(false, true);
		describe(DESC, 0, TABLE, sizes[i], VRING_DESC_F_INDIRECT, 0);
		list_head(0);
		is_broken_by("an indirect table has no such size");
	}
	start(false, true);
	describe(DESC, 0, UINT64_MAX - 15, 32, VRING_DESC_F_INDIRECT, 0);
	list_head(0);
	is_broken_by("an indirect table has no such size");
}
END_TEST

SUITE("virtio_queue", takes_and_returns_chains, finds_a_byte_to_write, follows_an_indirect_table,
	goes_round_its_rings, interrupts_when_the_driver_says, hears_what_comes_while_it_was_deaf,
	drops_a_chain_of_before_a_reset, refuses_rings_that_cannot_be,
	rings_outside_of_ram_break_it, an_index_too_far_ahead_breaks_it,
	more_chains_than_descriptors_break_it, chains_that_cannot_be_break_it,
	indirect_tables_that_cannot_be_break_it)
