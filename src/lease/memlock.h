/* SPDX-License-Identifier: MIT */
#ifndef LEASE_MEMLOCK_H
#define LEASE_MEMLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

/*
 * The borrower's limit of locked memory (RLIMIT_MEMLOCK). The kernel counts what is mapped for DMA
 * against it, and by default it is 8 MiB. It is raised for the time of a lease.
 */
#define MEMLOCK_ANY UINT64_MAX

struct memlock {
	bool raised;
	struct rlimit before;
};

/* Never lowers it. Return: 0 with *@ret; -EPERM this host permits no more; -errno. */
int memlock_raise(pid_t pid, uint64_t bytes, struct memlock *ret);

/* Lowers it to what it was; a limit that the process has lowered itself stays. */
void memlock_put_back(pid_t pid, const struct memlock *m);

#endif
