/* SPDX-License-Identifier: MIT */
#ifndef PROGRAM_CONFINE_H
#define PROGRAM_CONFINE_H

#include "program/mounts.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
struct root;

/*
 * The confinement of a program: an ordinary user without groups and capabilities and without a way
 * to get any, in namespaces of its own for process ids, mounts (program/mounts.h) and System V IPC,
 * and in a cgroup where cgroups exist. It cannot make a user namespace. One with a root of its own
 * can make no socket, and reaches no key and no other process either.
 *
 * The namespace's first process is ours. When it ends, the kernel kills all other processes of the
 * namespace before it reports that end. So a keeper that has seen the end knows that no descendant
 * holds a descriptor any more.
 */
struct confine {
	uid_t uid;
	gid_t gid;
	const struct root *root; /* of its own (program/root.h); NULL: the host's */
	bool own_users; /* in a user namespace, in which an ordinary user may do all this */
	bool any_owner; /* keeps the right to open files of others: for `root`, which has its own */
	struct confine_limits {
		uint64_t memory; /* [bytes] of address space; 0: the caller's, and so are all */
		uint64_t file; /* [bytes] of a file that it writes */
		unsigned seconds; /* of processor time */
	} limits;
	bool no_network; /* an empty network of its own, where the host permits one more */
	bool read_only; /* all file systems but its own scratch one */
	struct mounts_nodes nodes; /* that the program opens by their paths */
	int alive_fd; /* end of file: the keeper is gone */
};

#define CONFINE_NONE ((struct confine){.alive_fd = -1})

/* The clone(2) flags of the process that calls confine_enter(). */
uint64_t confine_clone(const struct confine *c);

/* Of these flags, those that a program is confined without, if the host has no such namespace. */
#define CONFINE_SPARES (CLONE_NEWIPC | CLONE_NEWNET)

/*
 * Runs in the new process, which has one thread: drops all rights, becomes the namespace's first
 * process, and returns in a second process, which executes the program. Only the second process
 * keeps the descriptor @report. Return: 0 in the second process; -errno with the step that failed
 * in *@ret_step.
 */
int confine_enter(const struct confine *c, int report, const char **ret_step);

#endif
