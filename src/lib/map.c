/* SPDX-License-Identifier: MIT */
/*
 * What is mapped in an IOVA space, and where the next mapping goes.
 *
 * How it works. Invariant: each usable IOVA is in exactly one place: free in the pool (lib/iova.h),
 * in a mapping or its guard in the table (lib/mapping.h), or in the quarantine ring. What the
 * kernel maps is in the table, so that the first member of a space can have all of it again.
 *
 * An unmapped IOVA stays in the quarantine until as many others were unmapped after it as the ring
 * holds: a late DMA must not hit the memory of the next owner. The oldest entry of the ring is free
 * again. A driver that maps for each I/O uses one size over and over, so that entry is tried first,
 * and the pool is not touched. A guard after each mapping catches a device that runs over its end.
 *
 * The hot path is inline: no division, no formatting. Functions of their own build texts on
 * failure.
 */
#include "base/bits.h"
#include "base/num.h"
#include "base/usher_err.h"
#include "lib/place.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>

_Static_assert(USHER_DMA_READ == VFIO_DMA_READ && USHER_DMA_WRITE == VFIO_DMA_WRITE, "access");

static bool in_ranges(const struct usher_space *s, uint64_t iova, uint64_t size)
{
	uint64_t last = iova + (size - 1);

	if (last < iova || last > s->mask)
		return false;
	for (size_t i = 0; i < s->iommu.range_count; i++)
		if (iova >= s->iommu.ranges[i].first.v && last <= s->iommu.ranges[i].last.v)
			return true;
	return !s->iommu.range_count;
}

int space_rebuild(struct usher_space *s)
{
	const struct vfio_span all = {IOVA(0), IOVA(UINT64_MAX - KIB(4))};
	const struct vfio_span *ranges = s->iommu.range_count ? s->iommu.ranges : &all;
	size_t count = s->iommu.range_count ? s->iommu.range_count : 1;
	int r = iova_pool_reset(&s->pool, ranges, count, s->mask);

	for (size_t i = 0; i < s->maps.room && !r; i++) {
		const struct mapping *m = &s->maps.slots[i];
		if (m->size)
			r = iova_pool_carve(&s->pool, m->iova, m->size + m->guard);
	}
	for (size_t i = 0; i < s->freed_room && !r; i++) {
		struct freed *f = &s->freed[i];
		if (!f->size)
			continue;
		r = iova_pool_carve(&s->pool, f->iova, f->size);
		if (!in_ranges(s, f->iova, f->size))
			f->size = 0; /* outside the ranges: not usable any more */
	}
	return r;
}

bool space_fits(const struct usher_space *s, uint64_t mask, uint64_t *ret_iova)
{
	for (size_t i = 0; i < s->maps.room; i++) {
		const struct mapping *m = &s->maps.slots[i];
		if (!m->size || m->iova + (m->size - 1) <= mask)
			continue;
		*ret_iova = m->iova;
		return false;
	}
	return true;
}

void space_unmap_all(struct usher_space *s)
{
	for (size_t i = 0; i < s->maps.room; i++) {
		const struct mapping *m = &s->maps.slots[i];
		if (m->size && m->host)
			(void)vfio_ioas_unmap(&s->ioas, IOVA(m->iova), m->size, NULL);
	}
}

int space_replay(struct usher_space *s, struct usher_err *e)
{
	int r = 0;

	for (size_t i = 0; i < s->maps.room && !r; i++) {
		const struct mapping *m = &s->maps.slots[i];
		if (m->size && m->host)
			r = vfio_ioas_map(&s->ioas, IOVA(m->iova), m->host, m->size, m->access,
				err_from_usher(e));
	}
	return r;
}

static void quarantine_flush(struct usher_space *s)
{
	for (size_t i = 0; i < s->freed_room; i++)
		s->freed[i].size = 0;
	/* Without a member there are no ranges; the next one rebuilds the pool. */
	if (s->members)
		(void)space_rebuild(s);
}

void usher_space_flush_quarantine(struct usher_space *s)
{
	(void)pthread_mutex_lock(&s->lock);
	quarantine_flush(s);
	(void)pthread_mutex_unlock(&s->lock);
}

/* Puts an unmapped IOVA into the quarantine. The entry that it replaces goes to the pool. */
static void iova_rest(struct usher_space *s, uint64_t iova, uint64_t size)
{
	struct freed *oldest = &s->freed[s->freed_next];
	if (oldest->size)
		(void)iova_pool_give(&s->pool, oldest->iova, oldest->size);
	*oldest = (struct freed){iova, size};
	if (++s->freed_next == s->freed_room)
		s->freed_next = 0;
}

/* Reuses the oldest entry of the quarantine if it fits exactly, without the pool. */
static bool iova_reuse(struct usher_space *s, uint64_t size, uint64_t align, uint64_t *ret)
{
	struct freed *rested = &s->freed[s->freed_next];

	if (rested->size != size || rested->iova & (align - 1))
		return false;
	*ret = rested->iova;
	rested->size = 0;
	return true;
}

static uint64_t smallest_page(const struct usher_space *s)
{
	return s->iommu.page_sizes & -s->iommu.page_sizes;
}

/* The largest IOMMU page that @size fills: aligned to it, the IOMMU can use such pages. */
static uint64_t best_alignment(const struct usher_space *s, uint64_t size)
{
	const uint64_t fit = s->iommu.page_sizes & (UINT64_MAX >> __builtin_clzll(size));

	return BIT64(63 - (unsigned)__builtin_clzll(fit));
}

static int explain_pages(const struct usher_space *s, uint64_t size, struct usher_err *e)
{
	if (!s->members)
		return err_say(err_from_usher(e), -EINVAL, "no device is in the IOVA space yet");
	return err_say(err_from_usher(e), -EINVAL,
		"%" PRIu64 " bytes to map are not whole IOMMU pages of %" PRIu64, size,
		smallest_page(s));
}

/* Hot path, like all inline functions here: no division, no formatting. */
static inline int check_pages(
	const struct usher_space *s, uint64_t bits, uint64_t size, struct usher_err *e)
{
	if (s->members && size && !((size | bits) & (smallest_page(s) - 1)))
		return 0;
	return explain_pages(s, size, e);
}

static int explain_no_room(struct usher_space *s, uint64_t size, struct usher_err *e)
{
	(void)err_say(err_from_usher(e), -ENOSPC,
		"no %" PRIu64 " bytes of IOVA are free below 0x%" PRIx64, size, s->mask);
	err_hint(err_from_usher(e), "the devices' DMA masks and the IOMMU's ranges leave no more");
	return -ENOSPC;
}

static int iova_take(struct usher_space *s, uint64_t size, uint64_t align, uint64_t *ret)
{
	int r = iova_pool_take(&s->pool, size, align, ret);

	if (r != -ENOSPC)
		return r;
	quarantine_flush(s); /* early reuse is better than failure */
	r = iova_pool_take(&s->pool, size, align, ret);
	return r == -ENOSPC && align > smallest_page(s)
		       ? iova_pool_take(&s->pool, size, smallest_page(s), ret)
		       : r;
}

/* Names the need of the whole space, which is what the limit must be set to. */
static void hint_memlock(const struct usher_space *s, uint64_t size, struct usher_err *e)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_MEMLOCK, &l) || l.rlim_cur == RLIM_INFINITY)
		return;
	err_hint(err_from_usher(e),
		"the space needs %" PRIu64
		" KiB of locked memory with it, and RLIMIT_MEMLOCK is %" PRIu64
		" KiB: raise it (usher exec --memlock, ulimit -l, LimitMEMLOCK=)",
		(s->mapped + size + 1023) >> 10, (uint64_t)l.rlim_cur >> 10);
}

/* Gives the IOVA of @m back, which was not mapped. */
static void mapping_untake(struct usher_space *s, const struct mapping *m)
{
	struct mapping left = *m;

	if (m->crowds)
		space_spread(s, &left);
	if (left.size)
		(void)iova_pool_give(&s->pool, left.iova, left.size + left.guard);
}

/* The back end refused to map @m with @r. */
static int mapping_give_up(
	struct usher_space *s, const struct mapping *m, int r, struct usher_err *e)
{
	if (r == -ENOMEM)
		hint_memlock(s, m->size, e);
	mapping_remove(&s->maps, mapping_find(&s->maps, m->iova));
	mapping_untake(s, m);
	return r;
}

/* Adds @m, whose IOVA is allocated, to the table. */
static inline int mapping_remember(
	struct usher_space *s, const struct mapping *m, struct usher_err *e)
{
	int r = mapping_add(&s->maps, m);

	if (r >= 0)
		return 0;
	mapping_untake(s, m);
	return err_set(err_from_usher(e), r, "remember a mapping");
}

static inline int mapping_commit(
	struct usher_space *s, const struct mapping *m, struct usher_err *e)
{
	int r = mapping_remember(s, m, e);

	if (r < 0)
		return r;
	r = vfio_ioas_map(&s->ioas, IOVA(m->iova), m->host, m->size, m->access, err_from_usher(e));
	if (r < 0)
		return mapping_give_up(s, m, r, e);
	s->mapped += m->size;
	return 0;
}

/* Allocates an IOVA for @m with a guard after it. */
static inline int mapping_place(struct usher_space *s, struct mapping *m, uint64_t align)
{
	if (m->size > UINT64_MAX - s->guard)
		return -ENOSPC;
	m->guard = s->guard;
	if (iova_reuse(s, m->size + m->guard, align, &m->iova))
		return 0;
	return iova_take(s, m->size + m->guard, align, &m->iova);
}

static int explain_place(struct usher_space *s, uint64_t size, int r, struct usher_err *e)
{
	return r == -ENOSPC ? explain_no_room(s, size, e)
			    : err_set(err_from_usher(e), r, "find an IOVA");
}

static inline int map_somewhere(struct usher_space *s, struct mapping *m, struct usher_err *e)
{
	int r = check_pages(s, (uintptr_t)m->host, m->size, e);

	if (r < 0)
		return r;
	r = mapping_place(s, m, best_alignment(s, m->size));
	return r < 0 ? explain_place(s, m->size, r, e) : mapping_commit(s, m, e);
}

int usher_space_map(struct usher_space *s, void *host, uint64_t size, unsigned access,
	usher_iova_t *ret, struct usher_err *e)
{
	struct mapping m = {.size = size, .host = host, .access = access};

	if (!host)
		return err_set(err_from_usher(e), -EFAULT, "map %" PRIu64 " bytes for DMA", size);
	if (!access)
		return err_say(err_from_usher(e), -EINVAL,
			"map memory that devices may neither read nor write");
	(void)pthread_mutex_lock(&s->lock);
	int r = map_somewhere(s, &m, e);
	(void)pthread_mutex_unlock(&s->lock);
	if (r >= 0)
		ret->v = m.iova;
	return r;
}

static int reserve_locked(
	struct usher_space *s, struct mapping *m, uint64_t align, struct usher_err *e)
{
	int r = check_pages(s, 0, m->size, e);

	if (r < 0)
		return r;
	r = mapping_place(s, m, align);
	return r < 0 ? explain_place(s, m->size, r, e) : mapping_remember(s, m, e);
}

int usher_space_reserve(struct usher_space *s, uint64_t size, uint64_t align, usher_iova_t *ret,
	struct usher_err *e)
{
	struct mapping m = {.size = size};

	if (align && !is_pow2(align))
		return err_say(err_from_usher(e), -EINVAL, "an alignment must be a power of two");
	(void)pthread_mutex_lock(&s->lock);
	int r = reserve_locked(s, &m, max_u64(align, KIB(4)), e);
	(void)pthread_mutex_unlock(&s->lock);
	if (r >= 0)
		ret->v = m.iova;
	return r;
}

static int map_at_locked(struct usher_space *s, struct mapping *m, struct usher_err *e)
{
	int r = check_pages(s, (uintptr_t)m->host | m->iova, m->size, e);

	if (r < 0)
		return r;
	if (!in_ranges(s, m->iova, m->size)) {
		(void)err_say(err_from_usher(e), -ERANGE,
			"%" PRIu64 " bytes at iova 0x%" PRIx64
			" are outside of what the IOMMU and the devices reach",
			m->size, m->iova);
		err_hint(err_from_usher(e), "usher_space_query() tells the ranges and the mask");
		return -ERANGE;
	}
	r = space_place(s, m);
	if (r < 0)
		return err_say(err_from_usher(e), r,
			"%" PRIu64 " bytes at iova 0x%" PRIx64 " overlap a mapping, or page 0",
			m->size, m->iova);
	return mapping_commit(s, m, e);
}

int usher_space_map_at(struct usher_space *s, usher_iova_t iova, void *host, uint64_t size,
	unsigned access, struct usher_err *e)
{
	struct mapping m = {.iova = iova.v, .size = size, .host = host, .access = access};

	if (!host)
		return err_set(err_from_usher(e), -EFAULT, "map %" PRIu64 " bytes for DMA", size);
	(void)pthread_mutex_lock(&s->lock);
	int r = map_at_locked(s, &m, e);
	(void)pthread_mutex_unlock(&s->lock);
	return r;
}

/* @m is unmapped: puts its IOVA into the quarantine. */
static inline void mapping_forget(struct usher_space *s, struct mapping *m)
{
	if (__builtin_expect(m->crowds, 0))
		space_spread(s, m);
	iova_rest(s, m->iova, m->size + m->guard);
	mapping_remove(&s->maps, m);
}

static int unmap_locked(struct usher_space *s, uint64_t iova, uint64_t size, struct usher_err *e)
{
	struct mapping *m = mapping_find(&s->maps, iova);

	if (!m || !m->host)
		return err_say(
			err_from_usher(e), -ENOENT, "nothing is mapped at iova 0x%" PRIx64, iova);
	if (m->size != size) {
		(void)err_say(err_from_usher(e), -EINVAL,
			"the mapping at iova 0x%" PRIx64 " has %" PRIu64 " bytes, not %" PRIu64,
			iova, m->size, size);
		err_hint(err_from_usher(e), "a mapping can only be unmapped as a whole");
		return -EINVAL;
	}
	/* Without a member the kernel has dropped all mappings already. */
	int r = s->members ? vfio_ioas_unmap(&s->ioas, IOVA(iova), size, err_from_usher(e)) : 0;
	if (r < 0)
		return r;
	mapping_forget(s, m);
	s->mapped -= size;
	return 0;
}

int usher_space_unmap(struct usher_space *s, usher_iova_t iova, uint64_t size, struct usher_err *e)
{
	(void)pthread_mutex_lock(&s->lock);
	int r = unmap_locked(s, iova.v, size, e);
	(void)pthread_mutex_unlock(&s->lock);
	return r;
}

int usher_space_release(struct usher_space *s, usher_iova_t iova, struct usher_err *e)
{
	(void)pthread_mutex_lock(&s->lock);
	struct mapping *m = mapping_find(&s->maps, iova.v);
	int r = m && !m->host ? 0 : -ENOENT;
	if (!r)
		mapping_forget(s, m);
	(void)pthread_mutex_unlock(&s->lock);
	if (r < 0)
		return err_say(
			err_from_usher(e), r, "nothing is reserved at iova 0x%" PRIx64, iova.v);
	return 0;
}
