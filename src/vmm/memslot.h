/* SPDX-License-Identifier: MIT */
#ifndef VMM_MEMSLOT_H
#define VMM_MEMSLOT_H

#include "vmm/memory.h"

/* KVM's view of guest memory: a memory_listener that makes a memslot of each range. */
struct memslots {
	struct memory_listener listener;
	int vm_fd;
	bool used[MEMORY_RANGES_MAX];
	gpa_t gpa[MEMORY_RANGES_MAX];
};

void memslots_init(struct memslots *s, int vm_fd);

/*
 * Sets all present ranges in a new VM. Context: no change of memory meanwhile. Return: 0, -errno.
 */
int memslots_renew(struct memslots *s, const struct memory *m, int vm_fd, struct err *e);

#endif
