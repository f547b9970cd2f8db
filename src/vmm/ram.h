/* SPDX-License-Identifier: MIT */
#ifndef VMM_RAM_H
#define VMM_RAM_H

#include "base/num.h"

#include <stdbool.h>
#include <stdint.h>

struct err;

#define MEMORY_PAGE KIB(4)
#define MEMORY_HUGE MIB(2)

/* How the guest's RAM is backed on the host. */
enum memory_backing {
	MEMORY_PRIVATE, /* anonymous: 2 MiB pages where the kernel has them */
	MEMORY_SHARED, /* a file in memory, which other processes can map (vhost-user) */
	MEMORY_POOL, /* a memfd of hugetlbfs: fails when the host's pool is too small */
};

struct ram {
	void *host; /* aligned to MEMORY_HUGE */
	int fd; /* its file, -1 with MEMORY_PRIVATE */
	bool collapse; /* the kernel gives the file small pages: see ram_collapse() */
};

/*
 * Before the walls stand: makes a file with huge pages for MEMORY_SHARED, which ram_open() then
 * takes, if this process may and this kernel can. Without it, ram_open() makes one of small pages.
 */
void ram_prepare(uint64_t size);

/* Maps @size bytes of new memory, whole pages. Return: 0, -ENOMEM, -errno. */
int ram_open(uint64_t size, enum memory_backing backing, struct ram *ret, struct err *e);

/*
 * Moves [@host, +@size), a mapping of @fd from @fd_off on, to huge pages as far as the kernel can,
 * and makes them present: for memory that is about to be pinned. Contents stay. A guest may run.
 * Return: 0 all of it; -EOPNOTSUPP the kernel has no huge pages for a memfd; -errno a part of it.
 */
int ram_collapse(int fd, uint64_t fd_off, void *host, uint64_t size);

#endif
