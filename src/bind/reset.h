/* SPDX-License-Identifier: MIT */
#ifndef BIND_RESET_H
#define BIND_RESET_H

#include "bind/env.h"
#include "pci/device.h"

#include <stdbool.h>

/*
 * Whether the device can be reset before the host gets it back: the function has a reset of its
 * own, or VFIO can reset its whole bus. VFIO does so at the last close if every function on the bus
 * is on a VFIO driver (vfio_pci_dev_set_try_reset()). @taken: these functions.
 */
bool bind_reset_works(struct host *h, const struct pci_device *d, const struct pci_address *taken,
	size_t taken_count);

/*
 * Restricts the kernel to @method, one or more of the device's `reset_method`, for a device of a
 * group that @owner has. The journal has the original choice; returning the group restores it.
 * Return: 0, -EPERM when the group is not @owner's, -EINVAL when the device has no such method,
 * -EBUSY, -ETIMEDOUT, -errno.
 */
int bind_reset_method(const struct bind_env *env, int group, const struct bind_owner *owner,
	struct pci_address a, const char *method, struct err *e);

#endif
