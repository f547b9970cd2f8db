/* SPDX-License-Identifier: MIT */
#ifndef LIB_IOVA_H
#define LIB_IOVA_H

#include "vfio/container.h"

#include <stddef.h>
#include <stdint.h>

/*
 * How it works. The pool is a sorted array of disjoint, non-adjacent free extents. Allocation is
 * first fit from below, so that a device with a small DMA mask still finds room. IOVA 0 is never
 * free, because many devices take it for "no address". The pool knows nothing of mappings:
 * lib/map.c carves them out.
 */
struct iova_pool {
	struct iova_extent {
		uint64_t first;
		uint64_t last; /* inclusive */
	} * free;
	size_t count, room;
};

/* Makes all of the ranges up to @mask free. Return: 0, -ENOMEM. */
int iova_pool_reset(
	struct iova_pool *p, const struct vfio_span *ranges, size_t count, uint64_t mask);
void iova_pool_fini(struct iova_pool *p);

/* Allocates IOVAs. @size: > 0. @align: a power of two. Return: 0, -ENOSPC, -ENOMEM. */
int iova_pool_take(struct iova_pool *p, uint64_t size, uint64_t align, uint64_t *ret);

/* Allocates [@first, +@size). Return: 0, -EEXIST a part of it is not free, -ENOMEM. */
int iova_pool_take_at(struct iova_pool *p, uint64_t first, uint64_t size);

/* Removes whatever of [@first, +@size) is free. Return: 0, -ENOMEM. */
int iova_pool_carve(struct iova_pool *p, uint64_t first, uint64_t size);

/* How many bytes are free from @first on without a gap. */
uint64_t iova_pool_run(const struct iova_pool *p, uint64_t first);

/* Frees what was allocated or carved. Return: 0; -ENOMEM: the range is lost. */
int iova_pool_give(struct iova_pool *p, uint64_t first, uint64_t size);

#endif
