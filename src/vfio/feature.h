/* SPDX-License-Identifier: MIT */
#ifndef VFIO_FEATURE_H
#define VFIO_FEATURE_H

#include <stddef.h>
#include <stdint.h>

struct vfio_dev;

/*
 * Device features by the number of linux/vfio.h: VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY, _MIGRATION,
 * _DMA_LOGGING_START … Numbers that are newer than the headers are fine: the kernel decides.
 * Ref: linux/vfio.h VFIO_DEVICE_FEATURE.
 */

/* @use: VFIO_DEVICE_FEATURE_GET or _SET. Return: 1 the device has the feature, 0 not. */
int vfio_feature_has(struct vfio_dev *d, uint16_t feature, uint32_t use);

#define VFIO_FEATURE_SIZE_MAX 4096 /* of a feature's data [bytes] */

/*
 * @data: read, written, or both, as the feature says; NULL if it has none.
 * Return: 0; -ENOTTY the device does not have the feature; -E2BIG; -errno.
 */
int vfio_feature_use(struct vfio_dev *d, uint16_t feature, uint32_t use, void *data, size_t size);

#endif
