/* SPDX-License-Identifier: MIT */
/*
 * The container of models.
 *
 * How it works. Invariant: mappings are an array sorted by IOVA; none overlaps another, and none is
 * ever split. A container lives as long as its opener or a group has it. When the last group
 * leaves, the IOMMU and all mappings go, as in the kernel. DMA may come from other threads: c->lock
 * guards the mappings and is held while DMA copies, so that no unmap returns in the middle of a
 * copy.
 */
#include "base/num.h"
#include "model/host.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE KIB(4)
#define ENTRIES_MAX 65535u /* the limit's default */

/* As an emulated Intel IOMMU of 39 bits reports them. MSIs go to the hole. */
static const struct vfio_span ranges[] = {
	{{0}, {0xfedfffff}}, {{0xfef00000}, {UINT64_C(0x7fffffffff)}}};

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

static void container_drop(struct model_container *c)
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
	container_drop(c);
	model_unlock();
}

/* The first mapping that ends at or after @iova. */
static size_t mapping_find(const struct model_container *c, uint64_t iova)
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
		if (iova >= ranges[i].first.v && iova + (size - 1) <= ranges[i].last.v)
			return true;
	return false;
}

/* Could pin_user_pages() pin the pages? Before Linux 5.14 nothing can tell, so assume yes. */
static int pages_pin(void *host, uint64_t size, uint32_t access)
{
	const int advice = access & VFIO_DMA_WRITE ? MADV_POPULATE_WRITE : MADV_POPULATE_READ;
	static _Alignas(KIB(4)) char probe[KIB(4)];

	if (!madvise(host, size, advice))
		return 0;
	return madvise(probe, sizeof(probe), MADV_POPULATE_WRITE) ? 0 : -EFAULT;
}

static int mapping_insert(struct model_container *c, size_t at, const struct model_mapping *m)
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

static int map_locked(
	struct model_container *c, uint64_t iova, void *host, uint64_t size, unsigned access)
{
	const unsigned both = VFIO_DMA_READ | VFIO_DMA_WRITE;
	const uint64_t vaddr = (uintptr_t)host;

	if (!c->has_iommu || access & ~both || !(access & both))
		return -EINVAL;
	if (!size || (size | iova | vaddr) % PAGE)
		return -EINVAL;
	if (iova + (size - 1) < iova || vaddr + (size - 1) < vaddr)
		return -EINVAL;
	size_t at = mapping_find(c, iova);
	if (at < c->count && c->maps[at].iova <= iova + (size - 1))
		return -EEXIST;
	if (c->count >= c->entry_limit)
		return -ENOSPC;
	if (!in_ranges(iova, size))
		return -EINVAL;
	if (c->lock_limit && c->locked + size > c->lock_limit)
		return -ENOMEM;
	struct model_mapping new = {.iova = iova, .size = size, .host = host, .access = access};
	int r = pages_pin(new.host, new.size, new.access);
	if (r < 0)
		return r;
	r = mapping_insert(c, at, &new);
	if (r < 0)
		return r;
	c->locked += size;
	return 0;
}

int model_container_map(
	struct model_container *c, iova_t iova, void *host, uint64_t size, unsigned access)
{
	(void)pthread_mutex_lock(&c->lock);
	int r = map_locked(c, iova.v, host, size, access);
	(void)pthread_mutex_unlock(&c->lock);
	return r;
}

static int unmap_locked(struct model_container *c, uint64_t iova, uint64_t last, uint64_t *ret)
{
	uint64_t sum = 0;
	size_t first = mapping_find(c, iova), end = first;

	if (first < c->count && c->maps[first].iova < iova)
		return -EINVAL; /* would cut it in two */
	for (; end < c->count && c->maps[end].iova <= last; end++) {
		if (c->maps[end].iova + (c->maps[end].size - 1) > last)
			return -EINVAL;
		sum += c->maps[end].size;
	}
	memmove(&c->maps[first], &c->maps[end], (c->count - end) * sizeof(c->maps[0]));
	c->count -= end - first;
	c->locked -= sum;
	*ret = sum;
	return 0;
}

int model_container_unmap(struct model_container *c, iova_t iova, uint64_t size, uint64_t *ret)
{
	const uint64_t last = iova.v + (size - 1);
	int r = -EINVAL;

	(void)pthread_mutex_lock(&c->lock);
	if (c->has_iommu && size && !((iova.v | size) % PAGE) && last >= iova.v)
		r = unmap_locked(c, iova.v, last, ret);
	(void)pthread_mutex_unlock(&c->lock);
	return r;
}

void model_container_unmap_all(struct model_container *c, uint64_t *ret)
{
	(void)pthread_mutex_lock(&c->lock);
	(void)unmap_locked(c, 0, UINT64_MAX, ret);
	(void)pthread_mutex_unlock(&c->lock);
}

int model_container_info(struct model_container *c, struct vfio_iommu *ret)
{
	int r = -EINVAL;

	(void)pthread_mutex_lock(&c->lock);
	if (c->has_iommu) {
		*ret = (struct vfio_iommu){.page_sizes = PAGE | MIB(2) | GIB(1),
			.dma_avail = (uint32_t)(c->entry_limit - c->count),
			.range_count = COUNT(ranges)};
		memcpy(ret->ranges, ranges, sizeof(ranges));
		r = 0;
	}
	(void)pthread_mutex_unlock(&c->lock);
	return r;
}

int model_container_set_iommu(struct model_container *c)
{
	int r = -EINVAL;

	model_lock();
	(void)pthread_mutex_lock(&c->lock);
	if (c->groups && !c->has_iommu) {
		c->has_iommu = true;
		r = 0;
	}
	(void)pthread_mutex_unlock(&c->lock);
	model_unlock();
	return r;
}

void model_container_close(struct model_container *c)
{
	model_lock();
	c->open = false;
	container_drop(c);
	model_unlock();
}

int model_container_open(struct model_container **ret)
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
	*ret = c;
	return 0;
}

int model_container_walk(struct model_container *c, uint64_t iova, uint64_t len, uint32_t access,
	void (*each)(void *arg, uint8_t *host, uint64_t len), void *arg)
{
	int r = 0;

	(void)pthread_mutex_lock(&c->lock);
	while (len && !r) {
		size_t at = mapping_find(c, iova);
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
