/* SPDX-License-Identifier: MIT */
#include "vfio/feature.h"

#include "vfio/device.h"

#include <errno.h>
#include <linux/vfio.h>

int vfio_feature_has(struct vfio_dev *d, uint16_t feature, uint32_t use)
{
	return d->ops->feature(d, feature | use | VFIO_DEVICE_FEATURE_PROBE, NULL, 0) >= 0;
}

int vfio_feature_use(struct vfio_dev *d, uint16_t feature, uint32_t use, void *data, size_t size)
{
	if (size > VFIO_FEATURE_SIZE_MAX)
		return -E2BIG;
	return d->ops->feature(d, feature | use, data, size);
}
