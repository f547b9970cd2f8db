/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_CONFINE_H
#define ENGINE_CONFINE_H

#include "engine/mounts.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

/*
 * The confinement of a program: an ordinary user without groups and capabilities and without a way
 * to get any, in namespaces of its own for process ids, mounts (engine/mounts.h) and System V IPC,
 * and in a cgroup where cgroups exist. It cannot make a user namespace.
 *
 * The namespace's first process is ours. When it ends, the kernel kills all other processes of the
 * namespace before it reports that end. So a keeper that has seen the end knows that no descendant
 * holds a descriptor any more.
 */
struct confine {
	uid_t uid;
	gid_t gid;
	bool read_only; /* all file systems but its own scratch one */
	struct mounts_nodes nodes; /* that the program opens by their paths */
	int alive_fd; /* end of file: the keeper is gone */
};

#define CONFINE_NONE ((struct confine){.alive_fd = -1})

/* The clone(2) flags of the process that calls confine_enter(). */
#define CONFINE_CLONE (CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC)

/*
 * Runs in the new process, which has one thread: drops all rights, becomes the namespace's first
 * process, and returns in a second process, which executes the program. Only the second process
 * keeps the descriptor @report. Return: 0 in the second process; -errno with the step that failed
 * in *@ret_step.
 */
int confine_enter(const struct confine *c, int report, const char **ret_step);

#endif
