/* SPDX-License-Identifier: MIT */
#include "vmm/ram.h"

#include "base/num.h"
#include "suite.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Of the mapping at @at, in huge pages of a memfd, as the kernel says. [KiB] */
static unsigned long huge_kib(const void *at)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	char line[256];
	bool here = false;
	unsigned long start, end, kib = 0;

	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			here = start <= (uintptr_t)at && (uintptr_t)at < end;
		else if (here && sscanf(line, "ShmemPmdMapped: %lu", &kib) == 1)
			break;
	}
	(void)fclose(f);
	return kib;
}

START_TEST(collapse_makes_huge_pages_and_keeps_contents)
{
	char *ram;
	void *at;
	int fd;

	ck_assert_int_eq(ram_open(MIB(5), MEMORY_SHARED, &at, &fd, NULL), 0);
	ram = at;
	ck_assert_uint_eq((uintptr_t)at % MEMORY_HUGE, 0);
	ram[MIB(3)] = 'x';
	ram[MIB(5) - 1] = 'y';
	int r = ram_collapse(at, MIB(5));
	ck_assert_int_eq(ram[MIB(3)], 'x');
	ck_assert_int_eq(ram[MIB(5) - 1], 'y');
	ck_assert_int_eq(ram[MIB(3) + 1], 0);
	if (r >= 0)
		ck_assert_uint_ge(huge_kib(at), 4096);
	else
		ck_assert_msg(r == -EOPNOTSUPP || r == -ENOMEM || r == -EAGAIN, "%d", r);
	ck_assert_int_eq(munmap(at, MIB(5)), 0);
	(void)close(fd);
}
END_TEST

/* Less than a huge page, or none that is aligned: nothing to do, and nothing is touched. */
START_TEST(collapse_leaves_small_ranges_alone)
{
	void *at;
	int fd;

	ck_assert_int_eq(ram_open(MIB(4), MEMORY_SHARED, &at, &fd, NULL), 0);
	ck_assert_int_eq(ram_collapse((char *)at + MEMORY_PAGE, MIB(2)), 0);
	ck_assert_uint_eq(huge_kib(at), 0);
	ck_assert_int_eq(munmap(at, MIB(4)), 0);
	(void)close(fd);
}
END_TEST

START_TEST(private_memory_has_no_descriptor)
{
	void *at;
	int fd = 0;

	ck_assert_int_eq(ram_open(MIB(4), MEMORY_PRIVATE, &at, &fd, NULL), 0);
	ck_assert_int_eq(fd, -1);
	ck_assert_int_eq(munmap(at, MIB(4)), 0);
}
END_TEST

/* A pool that is too small is told of at once, not by a signal at the first touch. */
START_TEST(pool_that_is_too_small_is_refused)
{
	void *at;
	int fd;

	ck_assert_int_lt(ram_open(GIB(1024), MEMORY_POOL, &at, &fd, NULL), 0);
}
END_TEST

SUITE("ram", collapse_makes_huge_pages_and_keeps_contents, collapse_leaves_small_ranges_alone,
	private_memory_has_no_descriptor, pool_that_is_too_small_is_refused)
