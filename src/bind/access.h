/* SPDX-License-Identifier: MIT */
#ifndef BIND_ACCESS_H
#define BIND_ACCESS_H

/*
 * Who may open the nodes of a group: /dev/vfio/GROUP and, where the kernel has them,
 * /dev/vfio/devices/vfioN. The kernel removes a node with the last bound device of its group, and
 * the next node belongs to root again. So usher changes the owner and also writes a udev rule into
 * /run/udev/rules.d, which lasts until the group is released. The kernel reuses group numbers: the
 * rule applies only while the group contains the device that the rule was made for.
 */

#include "bind/journal.h"

/* The rule's file is named after the group. Return: 0, -ENAMETOOLONG. */
int bind_access_path(int group, char *buf, size_t size);

/*
 * Writes the rule for the members of @n and @n->access; removes it when @n->access is none.
 * Return: 0, -errno.
 */
int bind_access_install(const struct bind_env *env, const struct bind_entry *n, struct err *e);

/* The live `rule` of struct bind_kernel_ops. */
int bind_access_write(int group, const char *text);

#endif
