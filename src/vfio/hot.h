/* SPDX-License-Identifier: MIT */
#ifndef VFIO_HOT_H
#define VFIO_HOT_H

struct err;
struct vfio_dev;
struct vfio_group;

/*
 * Resets all that is behind the bridge above the device, by its secondary bus. Every function there
 * has to be in @g, or the kernel refuses.
 * Return: 0; -EINVAL functions of other groups are there; -ENODEV no bridge above that could do it;
 * -ENOTTY; -errno. Ref: linux/vfio.h VFIO_DEVICE_PCI_HOT_RESET.
 */
int vfio_hot_reset(struct vfio_dev *d, const struct vfio_group *g, struct err *e);

#endif
