/* SPDX-License-Identifier: MIT */
#ifndef VFIO_CAP_H
#define VFIO_CAP_H

#include <stddef.h>
#include <stdint.h>

struct vfio_info_cap_header;

/*
 * The capability chain that follows a VFIO info structure: offsets from the start of the structure;
 * 0 ends it. Do not trust it: every step is checked, and offsets must grow, so that no chain is
 * endless.
 */

/*
 * The capability after @at (NULL: the first one, at offset @first). Its header lies in @buf.
 * Return: NULL at the end, or if the chain is broken.
 * Ref: linux/vfio.h struct vfio_info_cap_header.
 */
const struct vfio_info_cap_header *vfio_cap_next(
	const void *buf, size_t size, uint32_t first, const struct vfio_info_cap_header *at);

/* Bytes from @cap to the end of @buf: an upper bound for a length that the capability claims. */
size_t vfio_cap_room(const void *buf, size_t size, const struct vfio_info_cap_header *cap);

#endif
