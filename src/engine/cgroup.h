/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_CGROUP_H
#define ENGINE_CGROUP_H

struct err;

/* A cgroup (version 2) of one program. Without cgroups, all functions here do nothing. */
struct cgroup {
	char dir[512]; /* "": none */
	int procs_fd;
};

#define CGROUP_NONE ((struct cgroup){.procs_fd = -1})

/* Makes one below our own cgroup. Never fails: without one, dir is "". */
void cgroup_make(const char *name, struct cgroup *ret);

/* Kills the processes that are left in it, and removes it. */
void cgroup_remove(struct cgroup *g);

/* Removes the cgroups of killed keepers of `usher exec`, in the whole tree. */
void cgroup_sweep(void);

#endif
