/* SPDX-License-Identifier: MIT */
#ifndef HOST_DISK_NODE_H
#define HOST_DISK_NODE_H

/*
 * Opens the node of the block device that sysfs calls @name, such as nvme0n1. A node in /dev may
 * be missing or have another device's number, in a chroot or after a mknod(1) by hand: usher
 * compares the number before it opens one, for an exclusive open claims what it opens.
 * Return: a descriptor; -ENOENT if sysfs has no such device; -ENODEV if /dev has no node of it;
 * -EBUSY, -errno of open(2).
 */
int disk_node_open(const char *name, int flags);

#endif
