/* SPDX-License-Identifier: MIT */
#ifndef BIND_ACCESS_H
#define BIND_ACCESS_H

/*
 * Who may open the nodes of a group: /dev/vfio/GROUP, and /dev/vfio/devices/vfioN where the kernel
 * has them. A node lives as long as a device of the group is bound, and comes back as root's: when
 * a card is unplugged, or a driver is changed by hand. So besides changing its owner, usher leaves
 * a rule to udev in /run/udev/rules.d until the group is released. Group numbers are given anew
 * when a group is: the rule counts only while the group holds the device that it was made for.
 */

#include "bind/journal.h"

/* The rule's file is named after the group. Return: 0, -ENAMETOOLONG. */
int bind_access_path(int group, char *buf, size_t size);

/* The rule for the members of @n and @n->access. *@ret: the caller's to free(). Return: 0, -ENOMEM. */
int bind_access_rule(const struct bind_entry *n, char **ret);

/*
 * Has udev, where it runs, keep to it as long as the group is taken; without @n->access, no more.
 * Return: 0, -errno.
 */
int bind_access_keep(const struct bind_env *env, const struct bind_entry *n, struct err *e);

/* The live `rule` of struct bind_kernel_ops. */
int bind_access_write(int group, const char *text);

#endif
