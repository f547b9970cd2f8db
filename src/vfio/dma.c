/* SPDX-License-Identifier: MIT */
#include "vfio/dma.h"

#include "base/err.h"
#include "vfio/container.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/vfio.h>
#include <sys/resource.h>

_Static_assert(VFIO_DMA_READ == VFIO_DMA_MAP_FLAG_READ, "uapi");
_Static_assert(VFIO_DMA_WRITE == VFIO_DMA_MAP_FLAG_WRITE, "uapi");

static void hint_memlock(struct err *e, uint64_t size)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_MEMLOCK, &l) || l.rlim_cur == RLIM_INFINITY)
		return;
	err_hint(e,
		"%" PRIu64 " MiB must stay in memory, and RLIMIT_MEMLOCK is %" PRIu64 " KiB: "
		"raise it (ulimit -l, LimitMEMLOCK=)",
		(size + 0xfffff) >> 20, (uint64_t)l.rlim_cur >> 10);
}

static void hint_map(struct err *e, int code, struct vfio_container *c, uint64_t size)
{
	struct vfio_iommu info;

	switch (code) {
	case -ENOMEM:
		hint_memlock(e, size);
		break;
	case -ENOSPC:
		err_hint(e, "the container has no mappings left: see dma_entry_limit of "
			    "vfio_iommu_type1");
		break;
	case -EINVAL:
		if (!vfio_container_info(c, &info, NULL) && info.range_count)
			err_hint(e,
				"the IOMMU takes [0x%" PRIx64 "-0x%" PRIx64 "] and %zu more ranges",
				info.ranges[0].first.v, info.ranges[0].last.v,
				info.range_count - 1);
		break;
	default:
		break;
	}
}

/* Out of the way: a driver may map and unmap for each I/O. */
static int explain_map(
	struct vfio_container *c, const struct vfio_iommu_type1_dma_map *m, int r, struct err *e)
{
	(void)err_set(e, r, "map %" PRIu64 " bytes for DMA at iova 0x%" PRIx64, (uint64_t)m->size,
		(uint64_t)m->iova);
	hint_map(e, r, c, m->size);
	return r;
}

int vfio_dma_map(struct vfio_container *c, iova_t iova, void *host, uint64_t size, unsigned access,
	struct err *e)
{
	struct vfio_iommu_type1_dma_map m = {
		.argsz = sizeof(m),
		.flags = access & (VFIO_DMA_READ | VFIO_DMA_WRITE),
		.vaddr = (uintptr_t)host,
		.iova = iova.v,
		.size = size,
	};
	int r = c->ops->call(c, VFIO_IOMMU_MAP_DMA, &m);

	return r >= 0 ? 0 : explain_map(c, &m, r, e);
}

static int explain_unmap(iova_t iova, uint64_t size, uint64_t unmapped, int r, struct err *e)
{
	if (r < 0)
		return err_set(e, r, "unmap %" PRIu64 " bytes at iova 0x%" PRIx64, size, iova.v);
	return err_say(e, unmapped ? -EIO : -ENOENT,
		"unmap %" PRIu64 " bytes at iova 0x%" PRIx64 ": the kernel unmapped %" PRIu64, size,
		iova.v, unmapped);
}

int vfio_dma_unmap(struct vfio_container *c, iova_t iova, uint64_t size, struct err *e)
{
	struct vfio_iommu_type1_dma_unmap u = {
		.argsz = sizeof(u),
		.iova = iova.v,
		.size = size,
	};
	int r = c->ops->call(c, VFIO_IOMMU_UNMAP_DMA, &u);

	/* The kernel writes what it really unmapped; "nothing there" is a success of 0 bytes. */
	return r >= 0 && u.size == size ? 0 : explain_unmap(iova, size, u.size, r, e);
}
