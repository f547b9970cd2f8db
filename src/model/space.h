/* SPDX-License-Identifier: MIT */
#ifndef MODEL_SPACE_H
#define MODEL_SPACE_H

#include "vfio/container.h"

#include <stddef.h>
#include <stdint.h>

/*
 * A container in this process: answers the calls of linux/vfio.h with the kernel's errnos, and
 * translates for the models as an IOMMU would. What is not mapped, or not so, faults.
 */
#define MODEL_MAPPINGS_MAX 512
#define MODEL_IOVA_LAST ((UINT64_C(1) << 39) - 1) /* as the lab's IOMMU */

struct model_mapping {
	uint64_t iova, size;
	uint8_t *host;
	uint32_t access; /* VFIO_DMA_READ, _WRITE */
};

struct model_space {
	size_t count;
	struct model_mapping mappings[MODEL_MAPPINGS_MAX]; /* by address */
	uint64_t locked, lock_limit; /* [bytes]; limit 0: none */
	uint64_t faults; /* accesses that went nowhere */
	uint64_t fault_iova; /* the last of them */
};

/* @ret speaks to @s, which outlives it. */
void model_space_container(struct model_space *s, struct vfio_container *ret);

/* Where a device's access goes. Return: NULL, counted as a fault. */
void *model_space_reach(struct model_space *s, uint64_t iova, uint64_t len, uint32_t access);

#endif
