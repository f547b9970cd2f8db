/* SPDX-License-Identifier: MIT */
#include "vmm/bus.h"

#include "base/err.h"
#include "suite.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static uint64_t seen_off, seen_value;
static unsigned seen_size;

static uint64_t answer(struct bus_range *r, uint64_t off, unsigned size)
{
	seen_off = off;
	seen_size = size;
	return 0x1122334455667788;
}

static void take(struct bus_range *r, uint64_t off, unsigned size, uint64_t value)
{
	seen_off = off;
	seen_size = size;
	seen_value = value;
}

static struct bus_range range(const char *name, uint64_t base, uint64_t size)
{
	return (struct bus_range){
		.name = name, .base = base, .size = size, .read = answer, .write = take};
}

static void add_both(struct bus *b, struct bus_range *one, struct bus_range *other)
{
	ck_assert_int_eq(bus_add(b, one, NULL), 0);
	ck_assert_int_eq(bus_add(b, other, NULL), 0);
}

START_TEST(dispatches_by_offset)
{
	struct bus b = {.name = "mmio"};
	struct bus_range hi = range("hi", 0x2000, 0x1000), lo = range("lo", 0x1000, 0x1000);

	add_both(&b, &hi, &lo);
	ck_assert_uint_eq(bus_read(&b, 0x2004, 4), 0x55667788);
	ck_assert_uint_eq(seen_off, 4);
	ck_assert_uint_eq(bus_read(&b, 0x1fff, 1), 0x88);
	ck_assert_uint_eq(seen_off, 0xfff);
	bus_write(&b, 0x2ffe, 2, 0xdeadbeef);
	ck_assert_uint_eq(seen_off, 0xffe);
	ck_assert_uint_eq(seen_value, 0xbeef);
	ck_assert_uint_eq(hi.reads, 1);
	ck_assert_uint_eq(hi.writes, 1);
	ck_assert_uint_eq(lo.reads, 1);
}
END_TEST

START_TEST(refuses_overlap)
{
	struct bus b = {.name = "mmio"};
	struct bus_range a = range("a", 0x1000, 0x1000), tail = range("tail", 0x1fff, 2),
			 head = range("head", 0xfff, 2), same = range("same", 0x1000, 1),
			 before = range("before", 0, 0x1000), after = range("after", 0x2000, 1);
	struct err e;

	ck_assert_int_eq(bus_add(&b, &a, NULL), 0);
	ck_assert_int_eq(bus_add(&b, &tail, &e), -EEXIST);
	ck_assert_ptr_nonnull(strstr(e.msg, "'tail'"));
	ck_assert_ptr_nonnull(strstr(e.msg, "'a'"));
	ck_assert_int_eq(bus_add(&b, &head, NULL), -EEXIST);
	ck_assert_int_eq(bus_add(&b, &same, NULL), -EEXIST);
	ck_assert_int_eq(bus_add(&b, &before, NULL), 0);
	ck_assert_int_eq(bus_add(&b, &after, NULL), 0);
}
END_TEST

START_TEST(refuses_wrapping_range)
{
	struct bus b = {.name = "mmio"};
	struct bus_range top = range("top", UINT64_MAX - 3, 4),
			 past = range("past", 0x10, UINT64_MAX), none = range("none", 0, 0);

	ck_assert_int_eq(bus_add(&b, &top, NULL), 0);
	ck_assert_int_eq(bus_add(&b, &past, NULL), -EINVAL);
	ck_assert_int_eq(bus_add(&b, &none, NULL), -EINVAL);
	ck_assert_uint_eq(bus_read(&b, UINT64_MAX - 3, 4), 0x55667788);
	ck_assert_uint_eq(bus_read(&b, UINT64_MAX, 2), 0xffff);
}
END_TEST

START_TEST(straddling_and_nobody_read_all_ones)
{
	struct bus b = {.name = "mmio"};
	struct bus_range r = range("r", 0x1000, 6);

	ck_assert_int_eq(bus_add(&b, &r, NULL), 0);
	seen_size = 0;
	ck_assert_uint_eq(bus_read(&b, 0x1004, 4), 0xffffffff);
	ck_assert_uint_eq(bus_read(&b, 0xffe, 4), 0xffffffff);
	ck_assert_uint_eq(bus_read(&b, 0x1000, 3), 0xffffff);
	ck_assert_uint_eq(bus_read(&b, 0, 8), UINT64_MAX);
	bus_write(&b, 0x1005, 2, 1);
	bus_write(&b, 0x1000, 0, 1);
	ck_assert_uint_eq(seen_size, 0);
	ck_assert_uint_eq(b.missed, 6);
	ck_assert_uint_eq(bus_read(&b, 0x1004, 2), 0x7788);
}
END_TEST

START_TEST(removed_range_is_gone)
{
	struct bus b = {.name = "mmio"};
	struct bus_range r = range("r", 0x1000, 4), s = range("s", 0x2000, 4);

	add_both(&b, &r, &s);
	ck_assert_uint_eq(bus_read(&b, 0x1000, 1), 0x88);
	bus_remove(&b, &r);
	bus_remove(&b, &r);
	ck_assert_uint_eq(bus_read(&b, 0x1000, 1), 0xff);
	ck_assert_uint_eq(bus_read(&b, 0x2000, 1), 0x88);
	ck_assert_uint_eq(b.count, 1);
}
END_TEST

START_TEST(full_bus_says_so)
{
	static struct bus_range all[BUS_RANGES_MAX + 1];
	struct bus b = {.name = "mmio"};

	for (size_t i = 0; i < BUS_RANGES_MAX; i++) {
		all[i] = range("x", i * 16, 16);
		ck_assert_int_eq(bus_add(&b, &all[i], NULL), 0);
	}
	all[BUS_RANGES_MAX] = range("last", BUS_RANGES_MAX * 16, 16);
	ck_assert_int_eq(bus_add(&b, &all[BUS_RANGES_MAX], NULL), -ENOSPC);
}
END_TEST

/* Without a VM the bus signals doorbells itself. Other writes reach the range. */
START_TEST(rings_doorbells)
{
	struct bus b = {.name = "mmio"};
	struct bus_range r = range("r", 0x1000, 0x100);
	struct bus_doorbell any = {.off = 0x10, .size = 4, .eventfd = eventfd(0, EFD_NONBLOCK)};
	struct bus_doorbell seven = {.off = 0x20,
		.size = 4,
		.matches = true,
		.value = 7,
		.eventfd = eventfd(0, EFD_NONBLOCK)};
	struct bus_doorbell outside = {.off = 0xfd, .size = 4}, odd = {.off = 0, .size = 3};
	eventfd_t count;

	ck_assert_int_eq(bus_add_doorbell(&r, &any, NULL), 0);
	ck_assert_int_eq(bus_add_doorbell(&r, &seven, NULL), 0);
	ck_assert_int_eq(bus_add_doorbell(&r, &outside, NULL), -EINVAL);
	ck_assert_int_eq(bus_add_doorbell(&r, &odd, NULL), -EINVAL);
	ck_assert_int_eq(bus_add(&b, &r, NULL), 0);
	ck_assert(!any.in_kvm);
	seen_value = 0;
	bus_write(&b, 0x1010, 4, 1);
	bus_write(&b, 0x1010, 4, 2);
	bus_write(&b, 0x1020, 4, UINT64_C(0x100000007));
	ck_assert_uint_eq(seen_value, 0);
	ck_assert_int_eq(eventfd_read(any.eventfd, &count), 0);
	ck_assert_uint_eq(count, 2);
	ck_assert_int_eq(eventfd_read(seven.eventfd, &count), 0);
	ck_assert_uint_eq(count, 1);
	bus_write(&b, 0x1020, 4, 8);
	ck_assert_uint_eq(seen_value, 8);
	bus_write(&b, 0x1010, 2, 9);
	ck_assert_uint_eq(seen_value, 9);
	ck_assert_int_lt(eventfd_read(any.eventfd, &count), 0);
	(void)close(any.eventfd);
	(void)close(seven.eventfd);
}
END_TEST

SUITE("bus", rings_doorbells, dispatches_by_offset, refuses_overlap, refuses_wrapping_range,
	straddling_and_nobody_read_all_ones, removed_range_is_gone, full_bus_says_so)
