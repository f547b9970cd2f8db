/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_MOUNTS_H
#define ENGINE_MOUNTS_H

#include <stdbool.h>
#include <sys/types.h>

#define MOUNTS_SCRATCH "/dev/shm" /* where a program of a user of its own may write */

/*
 * What a confined program sees of the file systems. The calling process is the first one of a new
 * PID namespace, in a new mount namespace, and still root.
 *
 *	/proc      one of its own: no process outside has a number there
 *	sysfs      read-only: no configuration space, no resource and no driver can be written,
 *	           whoever owns the file
 *	/dev/vfio  empty: the program has the devices that it was given
 *	/run/user  empty: it holds sockets of a user's other processes, which act on requests
 *	the rest   with @read_only, all is read-only but a new, small tmpfs at MOUNTS_SCRATCH, which
 *	           belongs to @uid; nothing of the program stays for a later one
 *
 * Return: 0, -errno with the step that failed in *@ret_step.
 */
int mounts_enter(bool read_only, uid_t uid, const char **ret_step);

#endif
