/* SPDX-License-Identifier: MIT */
/*
 * The life of an IOVA space.
 *
 * How it works. A space outlives its devices. It keeps the table of mappings; the back end's I/O
 * address space (struct vfio_ioas) exists only while a device or a group is a member
 * (lib/attach.c). lib/map.c decides where mappings go. Two locks: joining for members, lock for
 * mappings, in this order.
 */
#include "lib/space.h"

#include "base/num.h"
#include "base/usher_err.h"
#include "lib/registry.h"

#include <errno.h>
#include <stdlib.h>

#define QUARANTINE 64

_Static_assert(USHER_SPANS_MAX == VFIO_RANGES_MAX, "spans");

int usher_space_new(
	const struct usher_space_options *o, struct usher_space **ret, struct usher_err *e)
{
	struct usher_space *s = calloc(1, sizeof(*s));

	if (!s)
		return err_set(err_from_usher(e), -ENOMEM, "make an IOVA space");
	s->ioas = VFIO_IOAS_NONE;
	s->mask = UINT64_MAX;
	s->guard = o ? align_up(o->guard, KIB(4)) : KIB(4);
	/* One entry more than the quarantine holds: the oldest one, which may be reused. */
	s->freed_room = min_u64(o ? o->quarantine : QUARANTINE, SIZE_MAX - 1) + 1;
	s->freed = calloc(s->freed_room, sizeof(*s->freed));
	if (!s->freed) {
		free(s);
		return err_set(err_from_usher(e), -ENOMEM, "make an IOVA space");
	}
	(void)pthread_mutex_init(&s->joining, NULL);
	(void)pthread_mutex_init(&s->lock, NULL);
	*ret = s;
	return 0;
}

struct usher_space *usher_space_free(struct usher_space *s)
{
	if (!s)
		return NULL;
	registry_forget(s);
	if (s->members)
		space_unmap_all(s);
	vfio_ioas_close(&s->ioas);
	iova_pool_fini(&s->pool);
	mapping_fini(&s->maps);
	(void)pthread_mutex_destroy(&s->joining);
	(void)pthread_mutex_destroy(&s->lock);
	free(s->freed);
	free(s);
	return NULL;
}

int usher_space_info(struct usher_space *s, struct usher_space_info *ret, struct usher_err *e)
{
	(void)pthread_mutex_lock(&s->lock);
	int r = s->members
			? vfio_ioas_info(&s->ioas, &s->iommu, err_from_usher(e))
			: err_say(err_from_usher(e), -EINVAL, "no device is in the IOVA space yet");
	if (r >= 0) {
		*ret = (struct usher_space_info){.page_sizes = s->iommu.page_sizes,
			.dma_mask = s->mask,
			.mappings = (uint32_t)s->maps.count,
			.mappings_left = s->iommu.dma_avail,
			.mapped = s->mapped,
			.span_count = s->iommu.range_count};
		for (size_t i = 0; i < s->iommu.range_count; i++)
			ret->spans[i] = (struct usher_span){
				s->iommu.ranges[i].first.v, s->iommu.ranges[i].last.v};
	}
	(void)pthread_mutex_unlock(&s->lock);
	return r;
}
