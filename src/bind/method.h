/* SPDX-License-Identifier: MIT */
#ifndef BIND_METHOD_H
#define BIND_METHOD_H

#include "bind/bind.h"

/*
 * Leaves the kernel these ways only to reset a device of a group that @owner has: @method, one or
 * some of its `reset_method`. The journal remembers the choice that was there, and whoever gives the group
 * back, also after a crash, puts it back.
 * Return: 0, -EPERM when the group is not @owner's, -EINVAL when the device has no such method,
 * -EBUSY, -ETIMEDOUT, -errno.
 */
int bind_reset_method(const struct bind_env *env, int group, const struct bind_owner *owner,
	struct pci_address a, const char *method, struct err *e);

#endif
