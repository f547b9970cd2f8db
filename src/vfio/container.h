/* SPDX-License-Identifier: MIT */
#ifndef VFIO_CONTAINER_H
#define VFIO_CONTAINER_H

#include "vfio/ioas.h"

/*
 * The kernel's container, one function a call. Only vfio/type1.c uses it: everything else speaks
 * the verbs of vfio/ioas.h.
 *
 * On its own a container answers only version and extension queries. The first group unlocks
 * vfio_container_set_iommu(). When the last group leaves, the kernel drops all mappings and the
 * IOMMU. Ref: Documentation/driver-api/vfio.rst.
 */
#define VFIO_CONTAINER_NODE "/dev/vfio/vfio"

struct vfio_container {
	int fd; /* -1: none */
};

#define VFIO_CONTAINER_NONE ((struct vfio_container){.fd = -1})

/*
 * Opens the node and checks that it speaks our version of VFIO and has a type 1 IOMMU.
 * Return: 0; -ENOENT, -ENODEV VFIO is not there; -EACCES; -ENOTSUP no type 1 (v2); -EPROTO.
 */
int vfio_container_open(struct vfio_container *ret, struct err *e);

/*
 * The same for a descriptor from elsewhere; @fd belongs to the container on success only.
 * Return: 0, -ENOTTY not a container, -EPROTO, -ENOTSUP.
 */
int vfio_container_from_fd(int fd, struct vfio_container *ret, struct err *e);

void vfio_container_close(struct vfio_container *c);

/*
 * Is an extension (VFIO_TYPE1v2_IOMMU, VFIO_DMA_CC_IOMMU, VFIO_UNMAP_ALL …) there? Some answer
 * only after vfio_container_set_iommu(). Return: 0 no, also for an unknown one; > 0 yes.
 */
int vfio_container_has(const struct vfio_container *c, unsigned long extension);

/*
 * Chooses TYPE1v2, once, after the first group came in. Version 1 unmaps by other rules.
 * Return: 0; -EINVAL no group, or set already; -EPERM no interrupt remapping: a device could
 * forge interrupts (the hint says which module parameter); -ENODEV.
 * Ref: linux/vfio.h VFIO_SET_IOMMU.
 */
int vfio_container_set_iommu(const struct vfio_container *c, struct err *e);

/*
 * What the IOMMU can do, for the groups that are in now. Return: 0, -EINVAL before
 * vfio_container_set_iommu(). Ref: linux/vfio.h VFIO_IOMMU_GET_INFO and its capabilities.
 */
int vfio_container_info(const struct vfio_container *c, struct vfio_iommu *ret, struct err *e);

#endif
