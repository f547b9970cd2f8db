/* SPDX-License-Identifier: MIT */
#ifndef VFIO_DMA_H
#define VFIO_DMA_H

#include <stdint.h>

struct err;
struct vfio_container;

/* I/O virtual address: what a device puts on the bus. Mixing it with another kind cannot compile. */
typedef struct {
	uint64_t v;
} iova_t;

#define IOVA(n) ((iova_t){n})

/* What the device may do with the memory; both bits are the usual case. */
#define VFIO_DMA_READ 1u /* the device reads it: VFIO_DMA_MAP_FLAG_READ */
#define VFIO_DMA_WRITE 2u /* the device writes it: VFIO_DMA_MAP_FLAG_WRITE */

/*
 * Lets the container's devices reach [@host, +@size) at @iova; the kernel pins the pages, and they
 * count against the caller's RLIMIT_MEMLOCK unless it has CAP_IPC_LOCK.
 * @iova, @host, @size: multiples of the smallest IOMMU page (struct vfio_iommu.page_sizes). [bytes]
 * Return: 0; -EINVAL misaligned, empty, or outside the IOMMU's ranges; -EEXIST overlaps a mapping;
 * -EFAULT no such memory, or not writable; -ENOMEM beyond RLIMIT_MEMLOCK; -ENOSPC no entries left
 * (struct vfio_iommu.dma_avail).
 * Ref: linux/vfio.h VFIO_IOMMU_MAP_DMA.
 */
int vfio_dma_map(struct vfio_container *c, iova_t iova, void *host, uint64_t size, unsigned access,
	struct err *e);

/*
 * Takes one mapping away: @iova and @size exactly as they were mapped. An unmap that the kernel
 * reports as shorter or longer is an error: a device would still reach memory that its owner
 * believes free.
 * Return: 0; -EINVAL part of a mapping; -ENOENT nothing was mapped there; -EIO another size.
 * Ref: linux/vfio.h VFIO_IOMMU_UNMAP_DMA.
 */
int vfio_dma_unmap(struct vfio_container *c, iova_t iova, uint64_t size, struct err *e);

#endif
