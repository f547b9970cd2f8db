/* SPDX-License-Identifier: MIT */
#include "model/space.h"

#include <errno.h>
#include <linux/vfio.h>
#include <string.h>

#include "base/num.h"

#define PAGE 4096u
#define PAGE_SIZES 0x40201000u
#define MSI_FIRST 0xfee00000u /* no ordinary memory: an x86 host's interrupts */
#define MSI_LAST 0xfeefffffu

struct info {
	struct vfio_iommu_type1_info head;
	/* struct vfio_iommu_type1_info_cap_iova_range, whose array has no length */
	struct vfio_info_cap_header cap;
	uint32_t nr_iovas;
	uint32_t reserved;
	struct vfio_iova_range ranges[2];
};

static int get_info(struct vfio_iommu_type1_info *to)
{
	struct info full = {
		.head = {.argsz = sizeof(full),
			.flags = VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS,
			.iova_pgsizes = PAGE_SIZES,
			.cap_offset = offsetof(struct info, cap)},
		.cap = {.id = VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, .version = 1},
		.nr_iovas = 2,
		.ranges = {{0, MSI_FIRST - 1}, {MSI_LAST + 1, MODEL_IOVA_LAST}},
	};
	uint32_t room = to->argsz;

	if (room < sizeof(full))
		full.head.cap_offset = 0;
	memcpy(to, &full, min_u64(room, sizeof(full)));
	return 0;
}

/* The first mapping that ends behind @iova. */
static size_t find(const struct model_space *s, uint64_t iova)
{
	size_t low = 0, high = s->count;

	while (low < high) {
		size_t mid = (low + high) / 2;
		if (s->mappings[mid].iova + s->mappings[mid].size > iova)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

static bool in_ranges(uint64_t iova, uint64_t size)
{
	uint64_t last = iova + size - 1;

	if (last < iova || last > MODEL_IOVA_LAST)
		return false;
	return last < MSI_FIRST || iova > MSI_LAST;
}

static int map(struct model_space *s, const struct vfio_iommu_type1_dma_map *m)
{
	const uint32_t both = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE;
	size_t at = find(s, m->iova);

	if (!(m->flags & both) || m->flags & ~both || !m->size ||
		(m->iova | m->size | m->vaddr) & (PAGE - 1) || !in_ranges(m->iova, m->size))
		return -EINVAL;
	if (at < s->count && s->mappings[at].iova < m->iova + m->size)
		return -EEXIST;
	if (s->lock_limit && s->locked + m->size > s->lock_limit)
		return -ENOMEM;
	if (s->count == MODEL_MAPPINGS_MAX)
		return -ENOSPC;
	memmove(&s->mappings[at + 1], &s->mappings[at], (s->count - at) * sizeof(s->mappings[0]));
	s->mappings[at] = (struct model_mapping){
		.iova = m->iova,
		.size = m->size,
		.host = (void *)(uintptr_t)m->vaddr,
		.access = m->flags,
	};
	s->count++;
	s->locked += m->size;
	return 0;
}

/* Version 2's rules: whole mappings or nothing; nothing there is a success of 0 bytes. */
static int unmap(struct model_space *s, struct vfio_iommu_type1_dma_unmap *u)
{
	size_t at = find(s, u->iova);
	uint64_t end = u->iova + u->size, done = 0;

	if (!u->size || (u->iova | u->size) & (PAGE - 1) || end < u->iova)
		return -EINVAL;
	size_t stop = at;
	while (stop < s->count && s->mappings[stop].iova < end)
		stop++;
	if (stop > at && (s->mappings[at].iova < u->iova ||
				 s->mappings[stop - 1].iova + s->mappings[stop - 1].size > end))
		return -EINVAL;
	for (size_t i = at; i < stop; i++)
		done += s->mappings[i].size;
	memmove(&s->mappings[at], &s->mappings[stop], (s->count - stop) * sizeof(s->mappings[0]));
	s->count -= stop - at;
	s->locked -= done;
	u->size = done;
	return 0;
}

static int space_call(struct vfio_container *c, unsigned long request, void *arg)
{
	struct model_space *s = c->model;

	switch (request) {
	case VFIO_GET_API_VERSION:
		return VFIO_API_VERSION;
	case VFIO_CHECK_EXTENSION:
		return (uintptr_t)arg == VFIO_TYPE1v2_IOMMU;
	case VFIO_IOMMU_GET_INFO:
		return get_info(arg);
	case VFIO_IOMMU_MAP_DMA:
		return map(s, arg);
	case VFIO_IOMMU_UNMAP_DMA:
		return unmap(s, arg);
	default:
		return -ENOTTY;
	}
}

static const struct vfio_container_ops space_ops = {.call = space_call};

void model_space_container(struct model_space *s, struct vfio_container *ret)
{
	*ret = (struct vfio_container){.ops = &space_ops, .fd = -1, .model = s};
}

void *model_space_reach(struct model_space *s, uint64_t iova, uint64_t len, uint32_t access)
{
	size_t at = find(s, iova);
	const struct model_mapping *m = &s->mappings[at];

	if (at < s->count && m->iova <= iova && range_ok(iova - m->iova, len, m->size) &&
		(m->access & access) == access)
		return m->host + (iova - m->iova);
	s->faults++;
	s->fault_iova = iova;
	return NULL;
}
