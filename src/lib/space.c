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
#include "base/sized.h"
#include "base/usher_err.h"
#include "lib/registry.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define QUARANTINE 64
#define GUARD_MAX (UINT64_C(1) << 62) /* [bytes] so that sums with it do not wrap */

_Static_assert(USHER_SPANS_MAX == VFIO_RANGES_MAX, "spans");

static int options_read(const struct usher_space_options *from, size_t size,
	struct usher_space_options *ret, struct usher_err *e)
{
	*ret = (struct usher_space_options){.guard = KIB(4), .quarantine = QUARANTINE};
	if (!from)
		return 0;
	int r = sized_read(
		ret, sizeof(*ret), SIZE_UP_TO(struct usher_space_options, quarantine), from, size);
	if (r < 0)
		return err_set(err_from_usher(e), r, "read the options of an IOVA space");
	if (ret->guard > GUARD_MAX)
		return err_say(err_from_usher(e), -EINVAL,
			"a guard of %" PRIu64 " bytes leaves no IOVAs: at most %" PRIu64,
			ret->guard, GUARD_MAX);
	return 0;
}

int usher_space_new_sized(const struct usher_space_options *options, size_t size,
	struct usher_space **ret, struct usher_err *e)
{
	struct usher_space_options o;
	int r = options_read(options, size, &o, e);

	if (r < 0)
		return r;
	struct usher_space *s = calloc(1, sizeof(*s));
	if (!s)
		return err_set(err_from_usher(e), -ENOMEM, "make an IOVA space");
	s->ioas = VFIO_IOAS_NONE;
	s->mask = UINT64_MAX;
	s->guard = align_up(o.guard, KIB(4));
	/* One entry more than the quarantine holds: the oldest one, which may be reused. */
	s->freed_room = min_u64(o.quarantine, SIZE_MAX - 1) + 1;
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

int usher_space_query_sized(
	struct usher_space *s, struct usher_space_info *ret, size_t size, struct usher_err *e)
{
	struct usher_space_info info = {.page_sizes = 0};

	(void)pthread_mutex_lock(&s->lock);
	int r = s->members
			? vfio_ioas_info(&s->ioas, &s->iommu, err_from_usher(e))
			: err_say(err_from_usher(e), -EINVAL, "no device is in the IOVA space yet");
	if (r >= 0) {
		info = (struct usher_space_info){.page_sizes = s->iommu.page_sizes,
			.dma_mask = s->mask,
			.mappings = (uint32_t)s->maps.count,
			.mappings_left = s->iommu.dma_avail,
			.mapped = s->mapped,
			.span_count = s->iommu.range_count};
		for (size_t i = 0; i < s->iommu.range_count; i++)
			info.spans[i] = (struct usher_span){
				s->iommu.ranges[i].first.v, s->iommu.ranges[i].last.v};
	}
	(void)pthread_mutex_unlock(&s->lock);
	if (r < 0)
		return r;
	r = sized_write(ret, size, SIZE_UP_TO(struct usher_space_info, spans), &info, sizeof(info));
	return r < 0 ? err_set(err_from_usher(e), r, "answer about an IOVA space") : 0;
}
