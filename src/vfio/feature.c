/* SPDX-License-Identifier: MIT */
#include "vfio/feature.h"

#include "vfio/device.h"

#include <errno.h>
#include <linux/vfio.h>
#include <string.h>

int vfio_feature_has(struct vfio_dev *d, uint16_t feature, uint32_t use)
{
	struct vfio_device_feature f = {
		.argsz = sizeof(f), .flags = feature | use | VFIO_DEVICE_FEATURE_PROBE};

	return d->ops->call(d, VFIO_DEVICE_FEATURE, &f) >= 0;
}

int vfio_feature_use(struct vfio_dev *d, uint16_t feature, uint32_t use, void *data, size_t size)
{
	_Alignas(uint64_t)
		uint8_t buf[sizeof(struct vfio_device_feature) + VFIO_FEATURE_SIZE_MAX] = {0};
	struct vfio_device_feature *f = (void *)buf;

	if (size > VFIO_FEATURE_SIZE_MAX)
		return -E2BIG;
	f->argsz = (uint32_t)(sizeof(*f) + size);
	f->flags = feature | use;
	if (size)
		memcpy(f->data, data, size);
	int r = d->ops->call(d, VFIO_DEVICE_FEATURE, f);
	if (r < 0)
		return r;
	if (size)
		memcpy(data, f->data, size);
	return 0;
}
