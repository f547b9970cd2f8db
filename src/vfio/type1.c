/* SPDX-License-Identifier: MIT */
#include "base/clean.h"
#include "base/err.h"
#include "base/num.h"
#include "vfio/cap.h"
#include "vfio/container.h"

#include <errno.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>

#define INFO_SIZE_MAX KIB(64) /* no kernel tells more; a model that does is mistaken */

int vfio_container_set_iommu(struct vfio_container *c, struct err *e)
{
	int r = c->ops->call(c, VFIO_SET_IOMMU, (void *)(uintptr_t)VFIO_TYPE1v2_IOMMU);

	if (r >= 0)
		return 0;
	switch (r) {
	case -EPERM:
		/* The kernel's own condition: no isolation of the devices' MSIs. */
		(void)err_say(
			e, r, "the IOMMU does not remap interrupts: a device could forge them");
		err_hint(e, "switch interrupt remapping on in the firmware; where every guest is "
			    "trusted: modprobe vfio_iommu_type1 allow_unsafe_interrupts=1");
		return r;
	case -EINVAL:
		return err_say(
			e, r, "set the container's IOMMU: no group is in it, or it is set already");
	default:
		return err_set(e, r, "set the container's IOMMU to type 1 (v2)");
	}
}

static void take_ranges(
	const struct vfio_iommu_type1_info_cap_iova_range *cap, size_t room, struct vfio_iommu *ret)
{
	size_t fit = (room - sizeof(*cap)) / sizeof(cap->iova_ranges[0]);
	size_t n = min_u64(min_u64(cap->nr_iovas, fit), VFIO_RANGES_MAX);

	for (size_t i = 0; i < n; i++) {
		ret->ranges[i].first = IOVA(cap->iova_ranges[i].start);
		ret->ranges[i].last = IOVA(cap->iova_ranges[i].end);
	}
	ret->range_count = n;
}

static void take_caps(const struct vfio_iommu_type1_info *info, size_t size, struct vfio_iommu *ret)
{
	const struct vfio_info_cap_header *h = NULL;

	while ((h = vfio_cap_next(info, size, info->cap_offset, h))) {
		size_t room = vfio_cap_room(info, size, h);
		const void *cap = h;
		if (h->id == VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE &&
			room >= sizeof(struct vfio_iommu_type1_info_cap_iova_range))
			take_ranges(cap, room, ret);
		if (h->id == VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL &&
			room >= sizeof(struct vfio_iommu_type1_info_dma_avail))
			ret->dma_avail =
				((const struct vfio_iommu_type1_info_dma_avail *)cap)->avail;
	}
}

int vfio_container_info(struct vfio_container *c, struct vfio_iommu *ret, struct err *e)
{
	struct vfio_iommu_type1_info head = {.argsz = sizeof(head)};
	int r = c->ops->call(c, VFIO_IOMMU_GET_INFO, &head);

	if (r < 0)
		return err_set(e, r, "ask the container for its IOMMU");
	size_t size = min_u64(max_u64(head.argsz, sizeof(head)), INFO_SIZE_MAX);
	cleanup_free struct vfio_iommu_type1_info *info = calloc(1, size);
	if (!info)
		return err_set(e, -ENOMEM, "ask the container for its IOMMU");
	info->argsz = (uint32_t)size;
	r = c->ops->call(c, VFIO_IOMMU_GET_INFO, info);
	if (r < 0)
		return err_set(e, r, "ask the container for its IOMMU");

	memset(ret, 0, sizeof(*ret));
	ret->dma_avail = UINT32_MAX;
	ret->page_sizes = info->flags & VFIO_IOMMU_INFO_PGSIZES ? info->iova_pgsizes : 0;
	if (!ret->page_sizes)
		ret->page_sizes = KIB(4);
	if (info->flags & VFIO_IOMMU_INFO_CAPS)
		take_caps(info, size, ret);
	return 0;
}
