/* SPDX-License-Identifier: MIT */
#ifndef VMM_WALL_H
#define VMM_WALL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
struct wall_filter;

/*
 * What keeps a guest that has taken over this process from the host. All descriptors are open by
 * now, so the process needs no right any more, and makes few system calls:
 *
 * - a user that no other process has, no group, no capability, no way to get one;
 * - an empty root, and namespaces of its own for processes, mounts, network, IPC and host names;
 * - it cannot be traced, and dumps no core;
 * - each of its threads makes only the system calls of its kind (vmm/walls/filter.h): none opens
 *   a file or a socket, starts a process or a program, or types into a terminal;
 * - the kernel still kills it when its keeper dies.
 */
struct wall {
	uid_t uid; /* 0: stays the user that it is */
	bool is_empty; /* an empty root, and namespaces of its own */
	bool own_pids; /* it should be the first process of a PID namespace */
	int keeper_fd; /* a socket, whose other end is the keeper's; -1: none */
	const struct wall_filter *filters; /* for each kind of thread; NULL: a list of refusals */
	int refused_fd; /* the page of wire/refused.h; -1: none */
	uint64_t locked; /* [bytes] that the kernel locks for DMA; 0: none */
};

/* The walls, in the order in which they are raised. */
enum wall_part {
	WALL_PROCESSES, /* sees no other process */
	WALL_NETWORK, /* has none but a loopback that is down */
	WALL_IPC, /* System V IPC, message queues */
	WALL_NAMES, /* sets no host name */
	WALL_FILES, /* an empty root */
	WALL_USER, /* is a user of its own */
	WALL_CAPABILITIES, /* has none */
	WALL_TRACE, /* is not traced, and dumps no core */
	WALL_RIGHTS, /* gets no right by executing a program */
	WALL_PATHS, /* landlock refuses what goes by path, whatever the root has */
	WALL_CALLS, /* makes listed system calls only */
	WALL_PARTS,
};

/*
 * Raises what the host permits, in a process with one thread. Return: 0; -errno of the first part
 * that the host forbids, with a sentence about all that it forbids: the others stand nevertheless.
 */
int wall_raise(const struct wall *w, struct err *e);

/* A word for people and programs. */
const char *wall_name(enum wall_part p);

/* Whether that wall stands around this process. */
bool wall_stands(enum wall_part p);

#endif
