/* SPDX-License-Identifier: MIT */
#include "vfio/cap.h"

#include "base/num.h"

#include <linux/vfio.h>

const struct vfio_info_cap_header *vfio_cap_next(
	const void *buf, size_t size, uint32_t first, const struct vfio_info_cap_header *at)
{
	size_t here = at ? (size_t)((const char *)at - (const char *)buf) : 0;
	size_t next = at ? at->next : first;

	if (!next || next <= here || next % sizeof(uint32_t))
		return NULL;
	if (!range_ok(next, sizeof(*at), size))
		return NULL;
	return (const void *)((const char *)buf + next);
}

size_t vfio_cap_room(const void *buf, size_t size, const struct vfio_info_cap_header *cap)
{
	return size - (size_t)((const char *)cap - (const char *)buf);
}
