/* SPDX-License-Identifier: MIT */
#ifndef VMM_RAM_H
#define VMM_RAM_H

#include "base/num.h"

#include <stdint.h>

struct err;

#define MEMORY_PAGE KIB(4)
#define MEMORY_HUGE MIB(2)

/* How the guest's RAM is backed on the host. */
enum memory_backing {
	MEMORY_PRIVATE, /* anonymous: 2 MiB pages where the kernel has them */
	MEMORY_SHARED, /* a memfd, which other processes can map (vhost-user) */
	MEMORY_POOL, /* a memfd of hugetlbfs: fails when the host's pool is too small */
};

/*
 * Maps @size bytes of new memory, whole pages, at an address aligned to MEMORY_HUGE.
 * @ret_fd: the memfd, -1 with MEMORY_PRIVATE. Return: 0, -ENOMEM, -errno.
 */
int ram_open(
	uint64_t size, enum memory_backing backing, void **ret_ram, int *ret_fd, struct err *e);

/*
 * Moves [@at, +@size) of a memfd's mapping to huge pages, as far as the kernel can, and has them
 * present: for memory that is about to be pinned. Contents stay. Context: no lock of the kernel's
 * blocks a guest that runs in it; it may see a page fault.
 * Return: 0 all of it; -EOPNOTSUPP the kernel has no huge pages for a memfd; -errno a part of it.
 */
int ram_collapse(void *at, uint64_t size);

#endif
