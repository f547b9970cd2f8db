/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_CONFINE_H
#define ENGINE_CONFINE_H

#include <stdint.h>
#include <sys/types.h>

struct err;

/*
 * What a program is shut into: an ordinary user without groups, capabilities, or a way back to
 * them, in a process-id namespace of its own, and in a cgroup where there is one.
 *
 * The namespace's first process is ours. When it ends, whatever the reason, the kernel kills all
 * others in the namespace, and lets nobody see its end before they are gone: so a keeper that has
 * seen it knows that no descendant holds a descriptor any more.
 */
struct confine {
	uid_t uid;
	gid_t gid;
	int alive_fd; /* end of file: the keeper is gone */
	int cgroup_fd; /* its cgroup.procs, -1 none */
};

#define CONFINE_NONE ((struct confine){.alive_fd = -1, .cgroup_fd = -1})

/* The clone(2) flags of the process that calls confine_enter(). */
#define CONFINE_CLONE CLONE_NEWPID

/*
 * In the new process, alone in it: gives up every right, becomes the namespace's first process,
 * and returns in a second one that is to execute the program. @report: a descriptor that only the
 * second one is to keep. Return: 0 in the second process, -errno.
 */
int confine_enter(const struct confine *c, int report);

#endif
