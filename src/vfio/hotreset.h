/* SPDX-License-Identifier: MIT */
#ifndef VFIO_HOTRESET_H
#define VFIO_HOTRESET_H

#include "pci/address.h"

#include <stddef.h>

struct err;
struct vfio_dev;
struct vfio_ioas;

/*
 * The reset of a bus or slot. It hits every function there, so the kernel requires that the caller
 * owns the group of each. The descriptors of the groups prove it.
 * Ref: linux/vfio.h VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, VFIO_DEVICE_PCI_HOT_RESET.
 */
struct vfio_dependent {
	struct pci_address address;
	int group;
};

/*
 * Lists the functions that would be reset. The caller frees *@ret by free(). Return: how many;
 * -ENODEV neither bus nor slot can be reset (a device of the root bus); -errno.
 */
int vfio_hotreset_info(struct vfio_dev *d, struct vfio_dependent **ret, struct err *e);

#define VFIO_HOTRESET_GROUPS_MAX 64

/*
 * Resets the bus or slot. @groups: @count descriptors. vfio_ioas_reset_bus() finds them.
 * Return: 0; -EINVAL a group is missing, or a descriptor is not of a group; -ENODEV; -ENOTTY the
 * bridge cannot reset it; -E2BIG; -errno.
 */
int vfio_hotreset(struct vfio_dev *d, const int *groups, size_t count);

/* vfio_ioas_missing() of a back end that knows the numbers of all groups it owns. */
size_t vfio_hotreset_missing(
	const struct vfio_ioas *s, const struct vfio_dependent *hit, size_t count);

#endif
