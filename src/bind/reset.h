/* SPDX-License-Identifier: MIT */
#ifndef BIND_RESET_H
#define BIND_RESET_H

#include "bind/env.h"
#include "pci/device.h"

#include <stdbool.h>

/*
 * Whether what a guest left in @d can be wiped before the host gets it back: the function has a
 * reset of its own, or VFIO can reset its whole bus, which it does at the last close when every
 * function there is on a VFIO driver (vfio_pci_dev_set_try_reset()). @taken: those functions.
 */
bool bind_reset_works(struct host *h, const struct pci_device *d, const struct pci_address *taken,
	size_t taken_count);

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
