/* SPDX-License-Identifier: MIT */
#ifndef PROGRAM_MOUNTS_H
#define PROGRAM_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define MOUNTS_SCRATCH "/dev/shm" /* where a program of a user of its own may write */

#define MOUNTS_NODES_MAX 40
#define MOUNTS_PATH_MAX 32

/* Device nodes of the host that a program opens by their paths: it gets nodes of its own. */
struct mounts_nodes {
	size_t count;
	struct mounts_node {
		char path[MOUNTS_PATH_MAX]; /* in /dev or /dev/vfio */
		dev_t number;
	} list[MOUNTS_NODES_MAX];
};

/* Adds the host's node @path, if it is there. Return: 0, -ENOENT, -E2BIG, -errno. */
int mounts_node_add(struct mounts_nodes *n, const char *path);

/*
 * What a confined program sees of the file systems. The calling process is the first one of a new
 * PID namespace, in a new mount namespace, and still root.
 *
 *	/proc      one of its own: no process outside has a number there
 *	sysfs      read-only: no configuration space, no resource and no driver can be written,
 *	           whoever owns the file
 *	/dev/vfio  empty but for those of @nodes: the program has the devices that it was given
 *	@nodes     nodes of the host's numbers, which belong to @uid, in place of the host's
 *	/run/user  empty: it holds sockets of a user's other processes, which act on requests
 *	the rest   with @read_only, all is read-only but a new, small tmpfs at MOUNTS_SCRATCH, which
 *	           belongs to @uid; nothing of the program stays for a later one
 *
 * Return: 0, -errno with the step that failed in *@ret_step.
 */
int mounts_enter(
	bool read_only, uid_t uid, const struct mounts_nodes *nodes, const char **ret_step);

#endif
