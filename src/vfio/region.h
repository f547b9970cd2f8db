/* SPDX-License-Identifier: MIT */
#ifndef VFIO_REGION_H
#define VFIO_REGION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct vfio_dev;

/*
 * A region of a device: a BAR, the ROM, configuration space. Indices are VFIO_PCI_BAR0_REGION_INDEX
 * and so on. Parts that may not be mapped are accessed by read and write, which the kernel turns
 * into accesses of the device of the same size.
 */
#define VFIO_AREAS_MAX 32 /* sparse areas beyond these are trapped, not mapped */

struct vfio_area {
	uint64_t off; /* from the region's start */
	uint64_t size; /* [bytes], > 0 */
};

struct vfio_region {
	uint32_t index;
	uint32_t flags; /* VFIO_REGION_INFO_FLAG_READ, _WRITE, _MMAP */
	uint64_t size; /* [bytes]; 0: the device does not have it */
	uint64_t offset; /* in the device's file, for back ends with one */
	bool msix_mappable; /* the pages of the MSI-X table may be mapped, too */
	uint32_t type; /* of a region beyond the fixed ones; 0: none */
	uint32_t subtype;
	size_t area_count; /* of areas that may be mapped */
	struct vfio_area areas[VFIO_AREAS_MAX]; /* ascending, inside the region, not overlapping */
};

/*
 * Return: 0, also for a region that the device does not have; -EINVAL no such index; -EPROTO the
 * answer contradicts itself. Ref: linux/vfio.h VFIO_DEVICE_GET_REGION_INFO and its capabilities.
 */
int vfio_region_info(struct vfio_dev *d, uint32_t index, struct vfio_region *ret, struct err *e);

/*
 * Reads or writes @len bytes at @off. Return: 0; -ERANGE outside the region; -EACCES not readable
 * or writable; -EIO memory decoding is off, or the device did not answer.
 */
int vfio_region_read(
	struct vfio_dev *d, const struct vfio_region *r, uint64_t off, void *buf, size_t len);
int vfio_region_write(
	struct vfio_dev *d, const struct vfio_region *r, uint64_t off, const void *buf, size_t len);

/* One little-endian register of 1, 2, 4 or 8 bytes. Return: as above; *@ret is set on success. */
int vfio_region_get(struct vfio_dev *d, const struct vfio_region *r, uint64_t off, unsigned size,
	uint64_t *ret);
int vfio_region_put(struct vfio_dev *d, const struct vfio_region *r, uint64_t off, unsigned size,
	uint64_t value);

/*
 * Maps [@off, +@len) of the region, readable and writable as the region allows. @at: NULL, or the
 * exact address; an existing mapping there is replaced. An access while memory decoding of the
 * device is off raises SIGBUS. The caller unmaps it by munmap(2).
 * Return: 0; -ERANGE outside the region; -EINVAL a page may not be mapped; -errno.
 */
int vfio_region_map(struct vfio_dev *d, const struct vfio_region *r, uint64_t off, uint64_t len,
	void *at, void **ret);

/*
 * From now on the kernel writes @value of @size bytes to @off when @fd is signalled; -1: no longer.
 * Return: 0; -EINVAL not a BAR, or the MSI-X table; -ENOTTY; -ENOSPC; -errno.
 * Ref: linux/vfio.h VFIO_DEVICE_IOEVENTFD.
 */
int vfio_region_ioeventfd(struct vfio_dev *d, const struct vfio_region *r, uint64_t off,
	unsigned size, uint64_t value, int fd);

#endif
