/* SPDX-License-Identifier: MIT */
#ifndef LIB_IOVA_H
#define LIB_IOVA_H

#include "vfio/container.h"

#include <stddef.h>
#include <stdint.h>

/*
 * Which IOVAs are free: disjoint extents, ascending. First fit from below, so that devices with
 * a small DMA mask find something; never IOVA 0, which many devices take for none.
 */
struct iova_pool {
	struct iova_extent {
		uint64_t first;
		uint64_t last; /* inclusive */
	} * free;
	size_t count, room;
};

/* All of the ranges up to @mask is free. Return: 0, -ENOMEM. */
int iova_pool_reset(
	struct iova_pool *p, const struct vfio_span *ranges, size_t count, uint64_t mask);
void iova_pool_fini(struct iova_pool *p);

/* @size > 0; @align a power of two. Return: 0, -ENOSPC, -ENOMEM. */
int iova_pool_take(struct iova_pool *p, uint64_t size, uint64_t align, uint64_t *ret);

/* Return: 0, -EEXIST not all of it is free, -ENOMEM. */
int iova_pool_take_at(struct iova_pool *p, uint64_t first, uint64_t size);

/* What of [@first, +@size) is free is so no longer. Return: 0, -ENOMEM. */
int iova_pool_carve(struct iova_pool *p, uint64_t first, uint64_t size);

/* How much is free from @first on, in one piece. */
uint64_t iova_pool_run(const struct iova_pool *p, uint64_t first);

/* Must have been taken. Return: 0, -ENOMEM: then it is lost. */
int iova_pool_give(struct iova_pool *p, uint64_t first, uint64_t size);

#endif
