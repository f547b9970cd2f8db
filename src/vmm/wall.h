/* SPDX-License-Identifier: MIT */
#ifndef VMM_WALL_H
#define VMM_WALL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

/*
 * What keeps a guest that has taken over this process from the host. All descriptors are open by
 * now, so the process needs no right any more, and makes few system calls:
 *
 * - a user that no other process has, no group, no capability, no way to get one;
 * - it cannot be traced, dumps no core, and starts no process and no program;
 * - it opens no socket and no namespace, and cannot type into its terminal;
 * - the kernel still kills it when its keeper dies.
 */
struct wall {
	uid_t uid; /* 0: stays the user that it is */
	uint64_t locked; /* [bytes] that the kernel locks for DMA; 0: none */
};

/*
 * Raises what the host permits, in a process with one thread. Return: 0; -errno of the first part
 * that the host forbids, with a sentence: the others stand nevertheless.
 */
int wall_raise(const struct wall *w, struct err *e);

#endif
