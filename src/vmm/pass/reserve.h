/* SPDX-License-Identifier: MIT */
#ifndef VMM_PASS_RESERVE_H
#define VMM_PASS_RESERVE_H

#include <stdint.h>

struct vfio_dev;
struct vfio_region;

/*
 * Address space of this process for the mapped pages of one BAR. All of [@at, +@size) belongs to
 * the reservation at any time: it holds device pages or PROT_NONE, never a hole. Another mapping
 * that fell into a hole would be unmapped with the reservation.
 * Context: called under the lock of the device. Other threads may map and unmap meanwhile.
 */
struct pass_reserve {
	char *at; /* NULL: nothing is reserved */
	uint64_t size; /* [bytes] */
};

/* Reserves @size bytes at a multiple of @align, a power of two. Return: 0, -ENOMEM. */
int pass_reserve_make(struct pass_reserve *s, uint64_t size, uint64_t align);

/*
 * Maps [@off, +@size) of @region to the same offset of the reservation, at *@ret.
 * Return: 0; -ERANGE outside the reservation; vfio_region_map()'s.
 */
int pass_reserve_map(struct pass_reserve *s, struct vfio_dev *d, const struct vfio_region *region,
	uint64_t off, uint64_t size, void **ret);

/* Unmaps all of it. An empty reservation is fine. */
void pass_reserve_free(struct pass_reserve *s);

#endif
