/* SPDX-License-Identifier: MIT */
#ifndef PROGRAM_CGROUP_H
#define PROGRAM_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

struct err;

/* A cgroup (version 2) of one program. Without cgroups, all functions here do nothing. */
struct cgroup {
	char dir[512]; /* "": none */
	int procs_fd;
};

/* Where the kernel shows cgroups of version 2, and which one is ours. */
struct cgroup_tree {
	const char *top, *own;
};

#define CGROUP_HOST ((struct cgroup_tree){"/sys/fs/cgroup", "/proc/self/cgroup"})

#define CGROUP_NONE ((struct cgroup){.procs_fd = -1})

/* Makes one below our own cgroup. Never fails: without one, dir is "". */
void cgroup_make(const char *name, struct cgroup *ret);

/* A cgroup below which the kernel permits another with the controllers that it needs. */
struct cgroup_place {
	char dir[512];
};

/*
 * The place for a program whose use is to be limited by the controllers @need ("cpu memory"): our
 * own cgroup. The kernel gives controllers only to children of a cgroup without processes; @climb:
 * otherwise the nearest one above it, but never outside of a limit that holds for us. Changes
 * nothing. Return: 0; -ENOENT no version 2, or without them; -EBUSY; -EACCES.
 */
int cgroup_find(struct cgroup_tree t, const char *need, bool climb, struct cgroup_place *ret,
	struct err *e);

/* Gives the cgroups below @p this controller. Return: 0, -errno. */
int cgroup_enable(const struct cgroup_place *p, const char *controller, struct err *e);

/* Makes "usher-NAME" at @p; cgroup_remove() removes it. Return: 0, -errno. */
int cgroup_make_at(
	const struct cgroup_place *p, const char *name, struct cgroup *ret, struct err *e);

/* Writes @value into a file of it. Ref: admin-guide/cgroup-v2.rst. Return: 0, -errno. */
int cgroup_set(const struct cgroup *g, const char *file, const char *value, struct err *e);

/* How many processes of it the kernel has killed for its limit of memory. */
uint64_t cgroup_kills(const struct cgroup *g);

/* Kills the processes that are left in it, and removes it. */
void cgroup_remove(struct cgroup *g);

/* Removes the cgroups of killed keepers, in the whole tree. */
void cgroup_sweep(void);

#endif
