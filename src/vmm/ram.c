/* SPDX-License-Identifier: MIT */
#include "vmm/ram.h"

#include "base/clean.h"
#include "base/err.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * How it works
 *
 * Huge pages make nested paging and the IOMMU's mappings much quicker: one entry for 2 MiB, and one
 * page to pin instead of 512. So RAM starts at an address aligned to 2 MiB.
 *
 * Private memory gets huge pages from the kernel on the first touch. A memfd does not on a host as
 * distributions set it up: shmem_enabled is "never". MADV_COLLAPSE (Linux 6.1) does not ask that
 * setting, unless it is "deny". It copies what is present into a huge page, but refuses 2 MiB of
 * which nothing is present: ram_collapse() touches a page of each first. A read is enough, and is
 * safe beside a running guest.
 */
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* linux/mman.h, 6.1 */
#endif

static void *map_aligned(int fd, enum memory_backing backing, uint64_t size)
{
	const int anonymous = MAP_PRIVATE | MAP_ANONYMOUS;
	/* A pool is reserved here: one that is too small would kill this process at the first touch. */
	const int flags = MAP_FIXED | (fd < 0 ? anonymous : MAP_SHARED) |
			  (backing == MEMORY_POOL ? 0 : MAP_NORESERVE);
	/* cppcheck-suppress invalidFunctionArg; -1 is what anonymous memory is mapped from */
	char *wide = mmap(NULL, size + MEMORY_HUGE, PROT_NONE, anonymous | MAP_NORESERVE, -1, 0);

	if (wide == MAP_FAILED)
		return MAP_FAILED;
	uint64_t pad = align_up((uintptr_t)wide, MEMORY_HUGE) - (uintptr_t)wide;
	void *at = mmap(wide + pad, size, PROT_READ | PROT_WRITE, flags, fd, 0);
	if (at == MAP_FAILED) {
		int saved = errno;
		(void)munmap(wide, size + MEMORY_HUGE);
		errno = saved;
		return at;
	}
	if (pad)
		(void)munmap(wide, pad);
	(void)munmap(wide + pad + size, MEMORY_HUGE - pad);
	return at;
}

/* Return: descriptor, -errno. */
static int open_memfd(uint64_t size, enum memory_backing backing, struct err *e)
{
	unsigned flags = MFD_CLOEXEC | (backing == MEMORY_POOL ? MFD_HUGETLB : 0U);
	cleanup_fd int fd = memfd_create("guest-ram", flags);

	if (fd < 0)
		return err_set(e, -errno, "create guest memory");
	if (ftruncate(fd, (off_t)size) < 0)
		return err_set(e, -errno, "size guest memory to %" PRIu64 " bytes", size);
	return TAKE_FD(fd);
}

int ram_open(uint64_t size, enum memory_backing backing, void **ret_ram, int *ret_fd, struct err *e)
{
	cleanup_fd int fd = -1;

	if (backing != MEMORY_PRIVATE) {
		fd = open_memfd(size, backing, e);
		if (fd < 0)
			return fd;
	}
	void *ram = map_aligned(fd, backing, size);
	if (ram == MAP_FAILED)
		return err_set(e, -errno, "map %" PRIu64 " bytes of guest memory", size);
	/* A core dump of the VMM must not be a dump of the guest; a child has no use for it. */
	(void)madvise(ram, size, MADV_DONTDUMP);
	(void)madvise(ram, size, MADV_DONTFORK);
	/* Advice only: on a host without huge pages, small ones serve. */
	(void)madvise(ram, size, MADV_HUGEPAGE);
	*ret_ram = ram;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int ram_collapse(void *at, uint64_t size)
{
	uintptr_t start = align_up((uintptr_t)at, MEMORY_HUGE);
	uintptr_t end = align_down((uintptr_t)at + size, MEMORY_HUGE);

	for (uintptr_t page = start; page < end; page += MEMORY_HUGE)
		(void)*(const volatile char *)page;
	if (start >= end || madvise((void *)start, end - start, MADV_COLLAPSE) == 0)
		return 0;
	/* EINVAL: before 6.1, or shmem_enabled is "deny". */
	return errno == EINVAL ? -EOPNOTSUPP : -errno;
}
