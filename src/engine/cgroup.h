/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_CGROUP_H
#define ENGINE_CGROUP_H

struct err;

/* A cgroup (version 2) of one program. Where there are none, everything here does nothing. */
struct cgroup {
	char dir[512]; /* "": none */
	int procs_fd;
};

#define CGROUP_NONE ((struct cgroup){.procs_fd = -1})

/* Beside ours, below the folder that systemd or nobody manages. Never fails: see dir. */
void cgroup_make(const char *name, struct cgroup *ret);

/* Kills what is left in it, and removes it. */
void cgroup_remove(struct cgroup *g);

/* Removes those that keepers of `usher exec` left which were killed, wherever they are. */
void cgroup_sweep(void);

#endif
