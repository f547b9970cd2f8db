/* SPDX-License-Identifier: MIT */
#include "vmm/memory.h"

#include "base/err.h"
#include "suite.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

/* A listener that writes down what it hears, and fails at the call it was told to. */
struct ear {
	struct memory_listener listener;
	char id;
	int fail_at; /* map calls until failure; negative: never */
};

static char heard[64];

static void hear(char what, char id)
{
	size_t n = strlen(heard);

	heard[n] = what;
	heard[n + 1] = id;
	heard[n + 2] = 0;
}

static int ear_map(struct memory_listener *l, const struct memory_range *r, struct err *e)
{
	struct ear *ear = container_of(l, struct ear, listener);

	if (!ear->fail_at--)
		return err_set(e, -ENOMEM, "ear %c", ear->id);
	hear('+', ear->id);
	return 0;
}

static void ear_unmap(struct memory_listener *l, const struct memory_range *r)
{
	hear('-', container_of(l, struct ear, listener)->id);
}

static struct ear ear(char id, int fail_at)
{
	return (struct ear){
		.listener = {.name = "ear", .map = ear_map, .unmap = ear_unmap},
		.id = id,
		.fail_at = fail_at,
	};
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
	struct ear a = ear('a', -1), b = ear('b', -1);
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
	struct ear a = ear('a', -1), b = ear('b', -1), c = ear('c', 0), d = ear('d', -1);
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
	/* The second try finds room: nothing was left behind. */
	ck_assert_int_eq(memory_add(&m, &r, &e), 0);
	ck_assert_str_eq(heard, "+a+b-b-a+a+b+c+d");
}
END_TEST

START_TEST(late_listener_hears_what_is_there)
{
	struct memory m = two_pages();
	struct ear a = ear('a', -1), b = ear('b', 1);

	ck_assert_int_eq(memory_listen(&m, &a.listener, NULL), 0);
	ck_assert_str_eq(heard, "+a+a");
	/* One that fails midway is undone and hears no more. */
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

SUITE("memory", announces_in_order_and_back, failing_listener_rolls_back,
	late_listener_hears_what_is_there, refuses_overlap_and_part_pages,
	ram_pointer_stays_in_one_range, shared_memory_is_shared)
