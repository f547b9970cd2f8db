/* SPDX-License-Identifier: MIT */
#include "vmm/memory.h"

#include "base/err.h"
#include "suite.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

/* A listener of differences that records each call in `heard`, and refuses one of them. */
struct ear {
	struct memory_listener listener;
	char id;
	int fail_at; /* map calls until a failure; negative: never */
	int fail_again; /* more failures after that one */
};

static char heard[64];

static void note_call(char what, char id)
{
	size_t n = strlen(heard);

	heard[n] = what;
	heard[n + 1] = id;
	heard[n + 2] = 0;
}

static int ear_map(struct memory_listener *l, const struct memory_range *r, struct err *e)
{
	struct ear *ear = container_of(l, struct ear, listener);

	if (ear->fail_at == 0 && ear->fail_again-- >= 0)
		return err_set(e, -ENOMEM, "ear %c", ear->id);
	if (ear->fail_at > 0)
		ear->fail_at--;
	note_call('+', ear->id);
	return 0;
}

static void ear_unmap(struct memory_listener *l, const struct memory_range *r)
{
	note_call('-', container_of(l, struct ear, listener)->id);
}

static struct ear make_ear(char id, int fail_at)
{
	return (struct ear){
		.listener = {.name = "ear", .map = ear_map, .unmap = ear_unmap},
		.id = id,
		.fail_at = fail_at,
	};
}

/*
 * A listener of tables, like vhost-user: it sends all of RAM with descriptors and offsets, and its
 * peer accepts 8 regions.
 */
#define BACK_REGIONS_MAX 8

struct back {
	struct memory_listener listener;
	struct {
		gpa_t gpa;
		uint64_t size;
		int fd;
		uint64_t fd_off;
	} regions[BACK_REGIONS_MAX];
	size_t count;
	unsigned sent; /* tables */
	int open; /* changes that have begun and not ended */
};

static void back_begin(struct memory_listener *l)
{
	ck_assert_int_eq(container_of(l, struct back, listener)->open++, 0);
}

static int back_send(struct back *b, const struct memory *m, struct err *e)
{
	size_t count = 0;

	for (size_t i = 0; i < m->count; i++)
		count += m->ranges[i].kind == MEMORY_RAM;
	if (count > BACK_REGIONS_MAX)
		return err_say(e, -E2BIG, "share guest memory: %zu regions", count);
	b->count = 0;
	for (size_t i = 0; i < m->count; i++) {
		const struct memory_range *r = &m->ranges[i];
		if (r->kind != MEMORY_RAM)
			continue;
		b->regions[b->count].gpa = r->gpa;
		b->regions[b->count].size = r->size;
		b->regions[b->count].fd = r->fd;
		b->regions[b->count++].fd_off = r->fd_off;
	}
	b->sent++;
	return 0;
}

static int back_commit(struct memory_listener *l, const struct memory *m, struct err *e)
{
	struct back *b = container_of(l, struct back, listener);
	int r = back_send(b, m, e);

	b->open -= r >= 0;
	return r;
}

static void back_undo(struct memory_listener *l, const struct memory *m)
{
	struct back *b = container_of(l, struct back, listener);

	ck_assert_int_eq(back_send(b, m, NULL), 0);
	b->open = 0;
}

static struct back make_back(void)
{
	return (struct back){.listener = {.name = "back",
				     .begin = back_begin,
				     .commit = back_commit,
				     .undo = back_undo}};
}

static struct memory_range page_at(uint64_t gpa)
{
	return (struct memory_range){.gpa = GPA(gpa), .size = MEMORY_PAGE, .host = NULL};
}

static struct memory two_pages(void)
{
	struct memory m = MEMORY_NONE;
	struct memory_range a = page_at(0x1000), b = page_at(0x3000);

	heard[0] = 0;
	ck_assert_int_eq(memory_add(&m, &a, NULL), 0);
	ck_assert_int_eq(memory_add(&m, &b, NULL), 0);
	return m;
}

START_TEST(announces_in_order_and_back)
{
	struct memory m = MEMORY_NONE;
	struct ear a = make_ear('a', -1), b = make_ear('b', -1);
	struct memory_range r = page_at(0x1000);

	heard[0] = 0;
	ck_assert_int_eq(memory_listen(&m, &a.listener, NULL), 0);
	ck_assert_int_eq(memory_listen(&m, &b.listener, NULL), 0);
	ck_assert_int_eq(memory_add(&m, &r, NULL), 0);
	ck_assert_str_eq(heard, "+a+b");
	ck_assert_int_eq(memory_remove(&m, GPA(0x1000)), 0);
	ck_assert_str_eq(heard, "+a+b-b-a");
	ck_assert_int_eq(memory_remove(&m, GPA(0x1000)), -ENOENT);
}
END_TEST

START_TEST(failing_listener_rolls_back)
{
	struct memory m = MEMORY_NONE;
	struct ear a = make_ear('a', -1), b = make_ear('b', -1), c = make_ear('c', 0),
		   d = make_ear('d', -1);
	struct memory_range r = page_at(0x1000);
	struct err e;

	heard[0] = 0;
	ck_assert_int_eq(memory_listen(&m, &a.listener, NULL), 0);
	ck_assert_int_eq(memory_listen(&m, &b.listener, NULL), 0);
	ck_assert_int_eq(memory_listen(&m, &c.listener, NULL), 0);
	ck_assert_int_eq(memory_listen(&m, &d.listener, NULL), 0);
	ck_assert_int_eq(memory_add(&m, &r, &e), -ENOMEM);
	ck_assert_ptr_nonnull(strstr(e.msg, "ear c"));
	ck_assert_str_eq(heard, "+a+b-b-a");
	ck_assert_uint_eq(m.count, 0);
	/* The second try succeeds, because nothing was left. */
	ck_assert_int_eq(memory_add(&m, &r, &e), 0);
	ck_assert_str_eq(heard, "+a+b-b-a+a+b+c+d");
}
END_TEST

START_TEST(late_listener_hears_what_is_there)
{
	struct memory m = two_pages();
	struct ear a = make_ear('a', -1), b = make_ear('b', 1);

	ck_assert_int_eq(memory_listen(&m, &a.listener, NULL), 0);
	ck_assert_str_eq(heard, "+a+a");
	/* A listener that fails in the middle is undone, and then not called any more. */
	ck_assert_int_eq(memory_listen(&m, &b.listener, NULL), -ENOMEM);
	ck_assert_str_eq(heard, "+a+a+b-b");
	ck_assert_int_eq(memory_remove(&m, GPA(0x3000)), 0);
	ck_assert_str_eq(heard, "+a+a+b-b-a");
}
END_TEST

START_TEST(refuses_overlap_and_part_pages)
{
	struct memory m = two_pages();
	struct memory_range over = {.gpa = GPA(0x2000), .size = 0x2000};
	struct memory_range odd = {.gpa = GPA(0x800), .size = 0x1000};
	struct memory_range part = {.gpa = GPA(0x8000), .size = 0x800};
	struct memory_range wrap = {.gpa = GPA(UINT64_MAX - 0xfff), .size = 0x1000};
	struct memory_range fits = page_at(0x2000);

	ck_assert_int_eq(memory_add(&m, &over, NULL), -EEXIST);
	ck_assert_int_eq(memory_add(&m, &odd, NULL), -EINVAL);
	ck_assert_int_eq(memory_add(&m, &part, NULL), -EINVAL);
	ck_assert_int_eq(memory_add(&m, &wrap, NULL), -EINVAL);
	ck_assert_int_eq(memory_add(&m, &fits, NULL), 0);
}
END_TEST

/* A listener refuses the last of four steps, when three are applied in all listeners. */
START_TEST(refused_change_is_undone_in_all)
{
	struct memory m = two_pages();
	struct ear a = make_ear('a', -1), b = make_ear('b', 3);
	struct memory_step steps[] = {
		{MEMORY_ADD, page_at(0x5000)},
		{MEMORY_REMOVE, page_at(0x1000)},
		{MEMORY_ADD, page_at(0x7000)},
	};
	struct err e = {0};

	ck_assert_int_eq(memory_listen(&m, &a.listener, NULL), 0);
	ck_assert_int_eq(memory_listen(&m, &b.listener, NULL), 0);
	heard[0] = 0;
	ck_assert_int_eq(memory_change(&m, steps, 3, &e), -ENOMEM);
	ck_assert_ptr_nonnull(strstr(e.msg, "ear b"));
	/* Applied: +5000, -1000, +7000 in a alone. Undone: -7000, +1000, -5000. */
	ck_assert_str_eq(heard, "+a+b-b-a+a-a+a+b-b-a");
	ck_assert_uint_eq(m.count, 2);
	ck_assert_uint_eq(m.ranges[0].gpa.v, 0x1000);
	ck_assert_uint_eq(m.ranges[1].gpa.v, 0x3000);
	heard[0] = 0;
	ck_assert_int_eq(memory_change(&m, steps, 3, &e), 0);
	ck_assert_str_eq(heard, "+a+b-b-a+a+b");
	ck_assert_uint_eq(m.count, 3);
}
END_TEST

START_TEST(change_of_nonsense_changes_nothing)
{
	struct memory m = two_pages();
	struct ear a = make_ear('a', -1);
	struct memory_step overlap[] = {
		{MEMORY_ADD, page_at(0x5000)}, {MEMORY_ADD, page_at(0x5000)}};
	struct memory_step absent[] = {
		{MEMORY_REMOVE, page_at(0x3000)}, {MEMORY_REMOVE, page_at(0x3000)}};
	struct memory_step many[MEMORY_STEPS_MAX + 1] = {0};

	ck_assert_int_eq(memory_listen(&m, &a.listener, NULL), 0);
	ck_assert_int_eq(memory_change(&m, overlap, 2, NULL), -EEXIST);
	ck_assert_int_eq(memory_change(&m, absent, 2, NULL), -ENOENT);
	ck_assert_int_eq(memory_change(&m, many, COUNT(many), NULL), -E2BIG);
	ck_assert_str_eq(heard, "+a+a+a-a-a+a");
	ck_assert_uint_eq(m.count, 2);
	ck_assert_uint_eq(m.ranges[1].gpa.v, 0x3000);
}
END_TEST

/* A range moves: a listener refuses the new place, and then the old one as well. */
START_TEST(what_cannot_be_mapped_again_is_gone)
{
	struct memory m = two_pages();
	struct ear a = make_ear('a', -1), b = make_ear('b', 2);
	struct memory_step move[] = {
		{MEMORY_REMOVE, page_at(0x3000)}, {MEMORY_ADD, page_at(0x8000)}};
	struct err e = {0};

	b.fail_again = 1;
	ck_assert_int_eq(memory_listen(&m, &a.listener, NULL), 0);
	ck_assert_int_eq(memory_listen(&m, &b.listener, NULL), 0);
	heard[0] = 0;
	ck_assert_int_eq(memory_change(&m, move, 2, &e), -ENOTRECOVERABLE);
	ck_assert_str_eq(heard, "-b-a+a-a+a-a");
	ck_assert_uint_eq(m.count, 1);
	ck_assert_uint_eq(m.ranges[0].gpa.v, 0x1000);
	ck_assert_int_eq(memory_add(&m, &move[0].range, NULL), 0);
}
END_TEST

/* One table with everything: eight regions of a memfd, at their offsets. */
START_TEST(table_listener_gets_whole_tables)
{
	struct memory m = MEMORY_NONE;
	struct back b = make_back();
	struct memory_step steps[BACK_REGIONS_MAX];

	ck_assert_int_eq(memory_init(&m, MIB(4), MEMORY_SHARED, NULL), 0);
	ck_assert_int_eq(memory_listen(&m, &b.listener, NULL), 0);
	for (size_t i = 0; i < COUNT(steps); i++)
		steps[i] = (struct memory_step){
			MEMORY_ADD, {.gpa = GPA(MIB(i)),
					    .size = KIB(512),
					    .host = (char *)m.ram + i * KIB(512)}};
	ck_assert_int_eq(memory_change(&m, steps, COUNT(steps), NULL), 0);
	ck_assert_uint_eq(b.sent, 2); /* the first table is empty */
	ck_assert_uint_eq(b.count, BACK_REGIONS_MAX);
	for (size_t i = 0; i < b.count; i++) {
		ck_assert_int_eq(b.regions[i].fd, m.memfd);
		ck_assert_uint_eq(b.regions[i].fd_off, i * KIB(512));
		ck_assert_uint_eq(b.regions[i].gpa.v, MIB(i));
	}
	memory_fini(&m);
	ck_assert_uint_eq(b.sent, 3);
	ck_assert_uint_eq(b.count, 0);
	ck_assert_int_eq(b.open, 0);
}
END_TEST

/* The table listener refuses a ninth region: the range leaves the other listener, too. */
START_TEST(table_listener_refuses_too_many_regions)
{
	struct memory m = MEMORY_NONE;
	struct back b = make_back();
	struct ear a = make_ear('a', -1);
	struct memory_range bar = page_at(MIB(64)), ninth = page_at(MIB(32));
	struct err e = {0};

	bar.kind = MEMORY_DEVICE;
	ck_assert_int_eq(memory_listen(&m, &a.listener, NULL), 0);
	ck_assert_int_eq(memory_listen(&m, &b.listener, NULL), 0);
	for (uint64_t i = 0; i < BACK_REGIONS_MAX; i++) {
		struct memory_range r = page_at(MIB(i));
		ck_assert_int_eq(memory_add(&m, &r, NULL), 0);
	}
	heard[0] = 0;
	ck_assert_int_eq(memory_add(&m, &ninth, &e), -E2BIG);
	ck_assert_ptr_nonnull(strstr(e.msg, "9 regions"));
	ck_assert_str_eq(heard, "+a-a");
	ck_assert_uint_eq(b.count, BACK_REGIONS_MAX);
	ck_assert_int_eq(b.open, 0);
	ck_assert_int_eq(b.regions[0].fd, -1); /* not in the memfd, so it cannot be shared */
	ck_assert_int_eq(memory_add(&m, &bar, &e), 0); /* not one of its regions */
	ck_assert_int_eq(memory_remove(&m, GPA(0)), 0);
	ck_assert_uint_eq(b.count, BACK_REGIONS_MAX - 1);
	ck_assert_int_eq(memory_add(&m, &ninth, &e), 0);
}
END_TEST

/* A listener that comes late and refuses the table: its differences are undone. */
START_TEST(late_listener_may_refuse_the_table)
{
	struct memory m = MEMORY_NONE;
	struct back b = make_back();

	for (uint64_t i = 0; i <= BACK_REGIONS_MAX; i++) {
		struct memory_range r = page_at(MIB(i));
		ck_assert_int_eq(memory_add(&m, &r, NULL), 0);
	}
	ck_assert_int_eq(memory_listen(&m, &b.listener, NULL), -E2BIG);
	ck_assert_ptr_null(m.listeners);
	ck_assert_uint_eq(b.count, 0);
	ck_assert_int_eq(b.open, 0);
}
END_TEST

START_TEST(ram_pointer_stays_in_one_range)
{
	struct memory m = MEMORY_NONE;

	ck_assert_int_eq(memory_init(&m, MIB(4), MEMORY_PRIVATE, NULL), 0);
	ck_assert_uint_eq((uintptr_t)m.ram % MEMORY_HUGE, 0);
	struct memory_range low = {.gpa = GPA(0), .size = MIB(1), .host = m.ram};
	struct memory_range high = {
		.gpa = GPA(MIB(1)), .size = MIB(3), .host = (char *)m.ram + MIB(1)};
	struct memory_range bar = {
		.gpa = GPA(MIB(8)), .size = MIB(1), .host = m.ram, .kind = MEMORY_DEVICE};
	ck_assert_int_eq(memory_add(&m, &low, NULL), 0);
	ck_assert_int_eq(memory_add(&m, &high, NULL), 0);
	ck_assert_int_eq(memory_add(&m, &bar, NULL), 0);
	ck_assert_ptr_eq(memory_ram(&m, GPA(0x10), 16), (char *)m.ram + 0x10);
	ck_assert_ptr_eq(memory_ram(&m, GPA(MIB(4) - 1), 1), (char *)m.ram + MIB(4) - 1);
	ck_assert_ptr_null(memory_ram(&m, GPA(MIB(1) - 1), 2));
	ck_assert_ptr_null(memory_ram(&m, GPA(MIB(4) - 1), 2));
	ck_assert_ptr_null(memory_ram(&m, GPA(0x10), UINT64_MAX));
	ck_assert_ptr_null(memory_ram(&m, GPA(MIB(8)), 1));
	memory_fini(&m);
	ck_assert_int_eq(m.memfd, -1);
}
END_TEST

START_TEST(shared_memory_is_shared)
{
	struct memory m = MEMORY_NONE;

	ck_assert_int_eq(memory_init(&m, MIB(5), MEMORY_SHARED, NULL), 0);
	char *again = mmap(NULL, MIB(5), PROT_READ, MAP_SHARED, m.memfd, 0);
	((char *)m.ram)[MIB(5) - 1] = 'x';
	ck_assert_int_eq(again[MIB(5) - 1], 'x');
	ck_assert_int_eq(again[0], 0);
	memory_fini(&m);
}
END_TEST

static struct memory *live;
static unsigned held_up; /* calls for RAM while a vCPU could not have moved a BAR */
static unsigned ram_calls, other_calls;

static void live_count(const struct memory_range *r)
{
	if (r->kind != MEMORY_RAM) {
		other_calls++;
		return;
	}
	ram_calls++;
	if (pthread_mutex_trylock(&live->lock) == 0)
		(void)pthread_mutex_unlock(&live->lock);
	else
		held_up++;
}

static int live_map(struct memory_listener *l, const struct memory_range *r, struct err *e)
{
	live_count(r);
	return 0;
}

static void live_unmap(struct memory_listener *l, const struct memory_range *r)
{
	live_count(r);
}

/* All of RAM takes seconds, when it comes and when it goes. */
START_TEST(live_listener_holds_up_no_change)
{
	struct memory m = MEMORY_NONE;
	struct memory_listener l = {.name = "live", .map = live_map, .unmap = live_unmap};
	static char ram[2][4096] __attribute__((aligned(4096)));
	struct err e;

	live = &m;
	for (unsigned i = 0; i < 3; i++) {
		const struct memory_range r = {.gpa = GPA(i * 4096),
			.size = 4096,
			.host = ram[i % 2],
			.kind = i == 1 ? MEMORY_DEVICE : MEMORY_RAM};
		ck_assert_int_eq(memory_add(&m, &r, &e), 0);
	}
	ck_assert_int_eq(memory_listen_live(&m, &l, &e), 0);
	memory_unlisten(&m, &l);
	ck_assert_uint_eq(ram_calls, 4);
	ck_assert_uint_eq(other_calls, 2);
	ck_assert_uint_eq(held_up, 0);
	memory_unlisten(&m, &l); /* it is none */
	ck_assert_uint_eq(ram_calls, 4);
	ck_assert_int_eq(memory_remove(&m, GPA(0)), 0);
	ck_assert_uint_eq(ram_calls, 4);
	memory_fini(&m);
}
END_TEST

SUITE("memory", announces_in_order_and_back, failing_listener_rolls_back,
	late_listener_hears_what_is_there, refuses_overlap_and_part_pages,
	refused_change_is_undone_in_all, change_of_nonsense_changes_nothing,
	what_cannot_be_mapped_again_is_gone, table_listener_gets_whole_tables,
	table_listener_refuses_too_many_regions, late_listener_may_refuse_the_table,
	ram_pointer_stays_in_one_range, shared_memory_is_shared, live_listener_holds_up_no_change)
