/* SPDX-License-Identifier: MIT */
/* The container of models: linux/vfio.h's type 1 (v2) IOMMU with the kernel's errnos. */
#include "base/num.h"
#include "model/host.h"

#include <errno.h>
#include <linux/vfio.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE KIB(4)
#define ENTRIES_MAX 65535u /* the limit's default */

/* As an emulated Intel IOMMU of 39 bits reports: MSIs go to the hole. */
static const struct vfio_iova_range ranges[] = {
	{0, 0xfedfffff}, {0xfef00000, UINT64_C(0x7fffffffff)}};

static struct model_container *containers;

struct model_container *model_container_get(int fd)
{
	struct model_container *c;

	model_lock();
	for (c = containers; c && (c->fd != fd || !c->open); c = c->next)
		;
	if (c)
		c->groups++;
	model_unlock();
	return c;
}

bool model_container_ready(struct model_container *c)
{
	(void)pthread_mutex_lock(&c->lock);
	bool ready = c->has_iommu;
	(void)pthread_mutex_unlock(&c->lock);
	return ready;
}

static void drop(struct model_container *c)
{
	struct model_container **at = &containers;

	if (c->open || c->groups)
		return;
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	(void)pthread_mutex_destroy(&c->lock);
	free(c->maps);
	free(c);
}

void model_container_put_group(struct model_container *c)
{
	model_lock();
	/* The last group takes the IOMMU and all mappings with it. */
	if (--c->groups == 0) {
		(void)pthread_mutex_lock(&c->lock);
		c->has_iommu = false;
		c->count = 0;
		c->locked = 0;
		(void)pthread_mutex_unlock(&c->lock);
	}
	drop(c);
	model_unlock();
}

/* The first mapping that ends behind @iova. */
static size_t find(const struct model_container *c, uint64_t iova)
{
	size_t low = 0, high = c->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (c->maps[mid].iova + (c->maps[mid].size - 1) < iova)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool in_ranges(uint64_t iova, uint64_t size)
{
	for (size_t i = 0; i < COUNT(ranges); i++)
		if (iova >= ranges[i].start && iova + (size - 1) <= ranges[i].end)
			return true;
	return false;
}

/* Whether the pages could be pinned, as pin_user_pages() would. Before Linux 5.14: believed. */
static int pin(void *host, uint64_t size, uint32_t access)
{
	const int advice =
		access & VFIO_DMA_MAP_FLAG_WRITE ? MADV_POPULATE_WRITE : MADV_POPULATE_READ;
	static _Alignas(KIB(4)) char probe[KIB(4)];

	if (!madvise(host, size, advice))
		return 0;
	return madvise(probe, sizeof(probe), MADV_POPULATE_WRITE) ? 0 : -EFAULT;
}

static int insert(struct model_container *c, size_t at, const struct model_mapping *m)
{
	if (c->count == c->room) {
		size_t room = c->room ? 2 * c->room : 64;
		struct model_mapping *maps = reallocarray(c->maps, room, sizeof(*maps));
		if (!maps)
			return -ENOMEM;
		c->maps = maps;
		c->room = room;
	}
	memmove(&c->maps[at + 1], &c->maps[at], (c->count - at) * sizeof(*m));
	c->maps[at] = *m;
	c->count++;
	return 0;
}

static int map(struct model_container *c, const struct vfio_iommu_type1_dma_map *m)
{
	const uint32_t both = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE;

	if (m->argsz < sizeof(*m) || m->flags & ~both || !(m->flags & both))
		return -EINVAL;
	if (!m->size || (m->size | m->iova | m->vaddr) % PAGE)
		return -EINVAL;
	if (m->iova + (m->size - 1) < m->iova || m->vaddr + (m->size - 1) < m->vaddr)
		return -EINVAL;
	size_t at = find(c, m->iova);
	if (at < c->count && c->maps[at].iova <= m->iova + (m->size - 1))
		return -EEXIST;
	if (c->count >= c->entry_limit)
		return -ENOSPC;
	if (!in_ranges(m->iova, m->size))
		return -EINVAL;
	if (c->lock_limit && c->locked + m->size > c->lock_limit)
		return -ENOMEM;
	struct model_mapping new = {.iova = m->iova,
		.size = m->size,
		.host = (uint8_t *)(uintptr_t)m->vaddr,
		.access = m->flags};
	int r = pin(new.host, new.size, new.access);
	if (r == 0)
		r = insert(c, at, &new);
	c->locked += r == 0 ? m->size : 0;
	return r;
}

static int unmap(struct model_container *c, struct vfio_iommu_type1_dma_unmap *u)
{
	uint64_t last = u->iova + (u->size - 1), sum = 0;

	if (u->argsz < sizeof(*u) || u->flags & ~VFIO_DMA_UNMAP_FLAG_ALL)
		return -EINVAL;
	if (u->flags & VFIO_DMA_UNMAP_FLAG_ALL) {
		if (u->iova || u->size)
			return -EINVAL;
		last = UINT64_MAX;
	} else if (!u->size || (u->iova | u->size) % PAGE || last < u->iova) {
		return -EINVAL;
	}
	size_t first = find(c, u->iova), end = first;
	if (first < c->count && c->maps[first].iova < u->iova)
		return -EINVAL; /* would cut it in two */
	for (; end < c->count && c->maps[end].iova <= last; end++) {
		if (c->maps[end].iova + (c->maps[end].size - 1) > last)
			return -EINVAL;
		sum += c->maps[end].size;
	}
	memmove(&c->maps[first], &c->maps[end], (c->count - end) * sizeof(c->maps[0]));
	c->count -= end - first;
	c->locked -= sum;
	u->size = sum;
	return 0;
}

struct info_answer {
	struct vfio_iommu_type1_info head;
	struct { /* struct vfio_iommu_type1_info_cap_iova_range */
		struct vfio_info_cap_header header;
		uint32_t nr_iovas;
		uint32_t reserved;
		struct vfio_iova_range ranges[COUNT(ranges)];
	} cap;
	struct vfio_iommu_type1_info_dma_avail avail;
} __attribute__((aligned(8)));

static int info(struct model_container *c, struct vfio_iommu_type1_info *arg)
{
	struct info_answer all = {
		.head = {.argsz = sizeof(all),
			.flags = VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS,
			.iova_pgsizes = PAGE | MIB(2) | GIB(1)},
		.cap = {.header = {.id = VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, .version = 1},
			.nr_iovas = COUNT(ranges)},
		.avail = {.header = {.id = VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL, .version = 1},
			.avail = (uint32_t)(c->entry_limit - c->count)},
	};
	uint32_t argsz = arg->argsz;

	if (argsz < offsetof(struct vfio_iommu_type1_info, cap_offset))
		return -EINVAL;
	memcpy(all.cap.ranges, ranges, sizeof(ranges));
	if (argsz >= sizeof(all)) {
		all.head.cap_offset = offsetof(struct info_answer, cap);
		all.cap.header.next = offsetof(struct info_answer, avail);
	}
	memcpy(arg, &all, min_u64(argsz, argsz >= sizeof(all) ? sizeof(all) : sizeof(all.head)));
	return 0;
}

static int set_iommu(struct model_container *c, unsigned long type)
{
	int r = 0;

	model_lock();
	(void)pthread_mutex_lock(&c->lock);
	if (!c->groups || c->has_iommu)
		r = -EINVAL;
	else if (type != VFIO_TYPE1v2_IOMMU)
		r = -ENODEV;
	else
		c->has_iommu = true;
	(void)pthread_mutex_unlock(&c->lock);
	model_unlock();
	return r;
}

static int extension(const struct model_container *c, unsigned long which)
{
	(void)c;
	return which == VFIO_TYPE1v2_IOMMU || which == VFIO_UNMAP_ALL || which == VFIO_DMA_CC_IOMMU;
}

static int call_locked(struct model_container *c, unsigned long request, void *arg)
{
	if (!c->has_iommu)
		return -EINVAL; /* the kernel's default branch while there is no back end */
	switch (request) {
	case VFIO_IOMMU_GET_INFO:
		return info(c, arg);
	case VFIO_IOMMU_MAP_DMA:
		return map(c, arg);
	case VFIO_IOMMU_UNMAP_DMA:
		return unmap(c, arg);
	default:
		return -ENOTTY;
	}
}

static int container_call(struct vfio_container *v, unsigned long request, void *arg)
{
	struct model_container *c = v->model;

	switch (request) {
	case VFIO_GET_API_VERSION:
		return VFIO_API_VERSION;
	case VFIO_CHECK_EXTENSION:
		return extension(c, (unsigned long)arg);
	case VFIO_SET_IOMMU:
		return set_iommu(c, (unsigned long)arg);
	default:
		break;
	}
	(void)pthread_mutex_lock(&c->lock);
	int r = call_locked(c, request, arg);
	(void)pthread_mutex_unlock(&c->lock);
	return r;
}

static void container_close(struct vfio_container *v)
{
	struct model_container *c = v->model;

	v->model = NULL;
	if (!c)
		return;
	model_lock();
	c->open = false;
	drop(c);
	model_unlock();
}

static const struct vfio_container_ops ops = {.call = container_call, .close = container_close};

int model_container_open(struct vfio_container *ret)
{
	struct model_container *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->fd = eventfd(0, EFD_CLOEXEC);
	if (c->fd < 0) {
		free(c);
		return -errno;
	}
	(void)pthread_mutex_init(&c->lock, NULL);
	c->open = true;
	c->entry_limit = ENTRIES_MAX;
	model_lock();
	c->next = containers;
	containers = c;
	model_unlock();
	*ret = (struct vfio_container){.ops = &ops, .fd = c->fd, .model = c};
	return 0;
}

int model_container_walk(struct model_container *c, uint64_t iova, uint64_t len, uint32_t access,
	void (*each)(void *arg, uint8_t *host, uint64_t len), void *arg)
{
	int r = 0;

	(void)pthread_mutex_lock(&c->lock);
	while (len && !r) {
		size_t at = find(c, iova);
		const struct model_mapping *m = &c->maps[at];
		if (at == c->count || m->iova > iova || (m->access & access) != access) {
			r = -EFAULT;
			break;
		}
		uint64_t n = min_u64(len, m->size - (iova - m->iova));
		each(arg, m->host + (iova - m->iova), n);
		iova += n;
		len -= n;
	}
	(void)pthread_mutex_unlock(&c->lock);
	return r;
}
