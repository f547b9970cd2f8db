/* SPDX-License-Identifier: MIT */
#ifndef VFIO_CONTAINER_H
#define VFIO_CONTAINER_H

#include "vfio/dma.h"

#include <stddef.h>
#include <stdint.h>

struct err;
struct vfio_container;

/*
 * A VFIO container: one I/O address space, shared by the devices of all groups put into it.
 * On its own it answers only version and extension queries; the first group unlocks
 * vfio_container_set_iommu(), and the last group's end drops all mappings and the IOMMU with them.
 * Ref: Documentation/driver-api/vfio.rst.
 */
#define VFIO_CONTAINER_NODE "/dev/vfio/vfio"

/* Who answers: the kernel, or a model in this process. */
struct vfio_container_ops {
	/* ioctl(2) of linux/vfio.h. Return: what the ioctl returns, -errno. */
	int (*call)(struct vfio_container *c, unsigned long request, void *arg);
	void (*close)(struct vfio_container *c); /* NULL: close(2) is all there is to do */
};

struct vfio_container {
	const struct vfio_container_ops *ops;
	int fd; /* -1: a model, or none */
	void *model; /* the model's own */
};

#define VFIO_CONTAINER_NONE ((struct vfio_container){.fd = -1})

/*
 * Opens the node and checks that it speaks our version of VFIO and has a type 1 IOMMU.
 * Return: 0; -ENOENT, -ENODEV VFIO is not there; -EACCES; -ENOTSUP no type 1 (v2); -EPROTO.
 */
int vfio_container_open(struct vfio_container *ret, struct err *e);

/*
 * The same for a descriptor that somebody handed over; @fd is the container's on success only.
 * Return: 0, -ENOTTY not a container, -EPROTO, -ENOTSUP.
 */
int vfio_container_from_fd(int fd, struct vfio_container *ret, struct err *e);

void vfio_container_close(struct vfio_container *c);

/*
 * Whether an extension (VFIO_TYPE1v2_IOMMU, VFIO_DMA_CC_IOMMU, VFIO_UNMAP_ALL …) is there. Some
 * answer only after vfio_container_set_iommu(). Return: 0 no (unknown ones too), > 0 yes.
 */
int vfio_container_has(struct vfio_container *c, unsigned long extension);

/*
 * Chooses TYPE1v2, once, after the first group came in. Version 1 unmaps by other rules.
 * Return: 0; -EINVAL no group, or set already; -EPERM no interrupt remapping: a device could
 * forge interrupts (the hint says which module parameter); -ENODEV.
 * Ref: linux/vfio.h VFIO_SET_IOMMU.
 */
int vfio_container_set_iommu(struct vfio_container *c, struct err *e);

#define VFIO_RANGES_MAX 64

struct vfio_span {
	iova_t first;
	iova_t last; /* inclusive: a range may end at 2^64 - 1 */
};

struct vfio_iommu {
	uint64_t page_sizes; /* bit n: pages of 2^n bytes; 4 KiB when the kernel does not say */
	uint32_t
		dma_avail; /* mappings left; UINT32_MAX when the kernel does not say (before 5.10) */
	size_t range_count; /* 0: the kernel does not say (before 5.4) */
	struct vfio_span ranges[VFIO_RANGES_MAX]; /* usable IOVAs, ascending */
};

/*
 * What the IOMMU can do, for the groups that are in now. Return: 0, -EINVAL before
 * vfio_container_set_iommu(). Ref: linux/vfio.h VFIO_IOMMU_GET_INFO and its capabilities.
 */
int vfio_container_info(struct vfio_container *c, struct vfio_iommu *ret, struct err *e);

#endif
