/* SPDX-License-Identifier: MIT */
#include "vmm/ram.h"

#include "base/num.h"
#include "suite.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* [KiB] of the mapping at @at that are huge pages of a memfd, as the kernel reports. */
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

static struct ram open_ram(uint64_t size, enum memory_backing backing)
{
	struct ram ram = {0};

	ck_assert_int_eq(ram_open(size, backing, &ram, NULL), 0);
	ck_assert_uint_eq((uintptr_t)ram.host % MEMORY_HUGE, 0);
	return ram;
}

/* A memfd, which a process without privileges uses. */
static struct ram open_small(uint64_t size)
{
	struct ram ram = open_ram(size, MEMORY_PRIVATE);

	ram.fd = memfd_create("ram", MFD_CLOEXEC);
	ck_assert_int_ge(ram.fd, 0);
	ck_assert_int_eq(ftruncate(ram.fd, (off_t)size), 0);
	ck_assert_ptr_eq(
		mmap(ram.host, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, ram.fd, 0),
		ram.host);
	return ram;
}

START_TEST(collapse_makes_huge_pages_and_keeps_contents)
{
	struct ram ram = open_small(MIB(5));
	char *at = ram.host;

	at[MIB(2)] = 'x';
	at[MIB(3)] = 'y';
	at[MIB(5) - 1] = 'z';
	int r = ram_collapse(ram.fd, 0, at, MIB(5));
	ck_assert_int_eq(at[MIB(2)], 'x');
	ck_assert_int_eq(at[MIB(3)], 'y');
	ck_assert_int_eq(at[MIB(5) - 1], 'z');
	ck_assert_int_eq(at[0], 0);
	if (r >= 0)
		ck_assert_uint_eq(huge_kib(at), 4096);
	else /* this kernel has no huge pages, or none is free */
		ck_assert_msg(r == -EOPNOTSUPP || r == -ENOMEM || r == -EAGAIN, "%d", r);
}
END_TEST

/* The second range of a file begins within a huge page: the offset counts. */
START_TEST(collapse_takes_whole_huge_pages_of_a_range)
{
	struct ram ram = open_small(MIB(6));
	char *at = ram.host;

	int r = ram_collapse(ram.fd, MIB(1), at + MIB(1), MIB(4));
	ck_assert_int_eq(at[MIB(4)], 0);
	if (r >= 0)
		ck_assert_uint_eq(huge_kib(at), 2048);
	ck_assert_int_eq(ram_collapse(ram.fd, MEMORY_PAGE, at + MEMORY_PAGE, MIB(2)), 0);
}
END_TEST

/* With privileges, a file with huge pages; without them, a memfd to collapse. */
START_TEST(shared_memory_is_huge_or_wants_a_collapse)
{
	struct ram ram = open_ram(MIB(4), MEMORY_SHARED);
	struct stat st;

	ck_assert_int_eq(fstat(ram.fd, &st), 0);
	/* tmpfs with huge pages has a preferred I/O size of 2 MiB. */
	ck_assert(ram.collapse || (uint64_t)st.st_blksize == MEMORY_HUGE);
	((char *)ram.host)[MIB(3)] = 'x';
	const char *again = mmap(NULL, MIB(4), PROT_READ, MAP_SHARED, ram.fd, 0);
	ck_assert_int_eq(again[MIB(3)], 'x');
}
END_TEST

/* Whoever shares memory cannot cut it off, whichever file it is. */
START_TEST(shared_memory_stays_whole)
{
	for (int i = 0; i < 2; i++) {
		if (i)
			ram_prepare(MIB(4));
		struct ram ram = open_ram(MIB(4), MEMORY_SHARED);
		struct stat st;
		ck_assert_int_lt(ftruncate(ram.fd, 0), 0);
		ck_assert_int_lt(ftruncate(ram.fd, MIB(8)), 0);
		ck_assert_int_eq(fstat(ram.fd, &st), 0);
		ck_assert_int_eq(st.st_size, MIB(4));
		memset(ram.host, 1, MIB(4));
		/* A kernel before 6.2, or a user without the right to mount, has small pages. */
		ck_assert(ram.collapse || (uint64_t)st.st_blksize == MEMORY_HUGE);
	}
}
END_TEST

START_TEST(private_memory_has_no_descriptor)
{
	struct ram ram = open_ram(MIB(4), MEMORY_PRIVATE);

	ck_assert_int_eq(ram.fd, -1);
	ck_assert(!ram.collapse);
}
END_TEST

/* A pool that is too small is an error at once, not a signal at the first access. */
START_TEST(pool_that_is_too_small_is_refused)
{
	struct ram ram;

	ck_assert_int_lt(ram_open(GIB(1024), MEMORY_POOL, &ram, NULL), 0);
}
END_TEST

SUITE("ram", collapse_makes_huge_pages_and_keeps_contents,
	collapse_takes_whole_huge_pages_of_a_range, shared_memory_is_huge_or_wants_a_collapse,
	shared_memory_stays_whole, private_memory_has_no_descriptor,
	pool_that_is_too_small_is_refused)
