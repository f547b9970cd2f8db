/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_FIT_POOL_H
#define ENGINE_FIT_POOL_H

#include <stdint.h>

struct host;

/*
 * How many huge pages of the host's pool a guest may use. mmap(2) reserves pages of the whole pool,
 * but not on the NUMA nodes, and not within the limit of the cgroup, that usher is bound to. There
 * the kernel sends SIGBUS at the first touch of a page that it cannot provide.
 */
struct pool {
	uint64_t size; /* [bytes] of a page */
	uint64_t pages; /* that are left */
	char limit[128]; /* why no more, as in "only N are free" */
};

/* Lowers @p->pages to what this process's nodes and cgroups leave. What cannot be read does not. */
void pool_limit(struct host *h, struct pool *p);

#endif
