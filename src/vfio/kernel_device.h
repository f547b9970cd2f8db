/* SPDX-License-Identifier: MIT */
#ifndef VFIO_KERNEL_DEVICE_H
#define VFIO_KERNEL_DEVICE_H

#include "vfio/device.h"

/*
 * The verbs of a device by its VFIO descriptor, however that was opened: by a group or by iommufd.
 */
extern const struct vfio_dev_ops vfio_kernel_device;

#endif
