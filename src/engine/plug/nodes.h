/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_PLUG_NODES_H
#define ENGINE_PLUG_NODES_H

#include <sys/types.h>

/*
 * Nodes of VFIO groups for a program that runs already, in mounts of its own (program/mounts.h).
 * Only that program finds them. @mounts: the program's mount namespace, /proc/PID/ns/mnt.
 */

/* Makes nodes for @group and for VFIO itself, which belong to @uid. Return: 0, -errno. */
int nodes_show(int mounts, int group, uid_t uid);

/* Removes the node, so that the program cannot open the group again. Return: 0, -errno. */
int nodes_hide(int mounts, int group);

#endif
