/* SPDX-License-Identifier: MIT */
#include "vfio/ioas.h"

#include "base/err.h"
#include "vfio/device.h"
#include "vfio/hotreset.h"
#include "vfio/type1.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/resource.h>

int vfio_ioas_open(const struct vfio_ioas_ops *ops, struct vfio_ioas *ret, struct err *e)
{
	struct vfio_ioas s = VFIO_IOAS_NONE;

	s.ops = ops;
	int r = ops->open(&s, e);
	if (r < 0)
		return r;
	*ret = s;
	return 0;
}

int vfio_ioas_from_fd(int fd, struct vfio_ioas *ret, struct err *e)
{
	return vfio_type1_from_fd(fd, ret, e);
}

void vfio_ioas_close(struct vfio_ioas *s)
{
	if (s->ops)
		s->ops->close(s);
	*s = VFIO_IOAS_NONE;
}

int vfio_ioas_bind(struct vfio_ioas *s, const struct vfio_member *m, struct err *e)
{
	if (!s->ops->bind)
		return err_say(
			e, -ENOTSUP, "%s has no groups: attach devices instead", s->ops->name);
	int r = s->ops->bind(s, m, e);
	if (r == -EEXIST)
		return err_say(e, r, "IOMMU group %d is in the space already", m->group);
	if (r < 0)
		return r;
	s->members++;
	return 0;
}

int vfio_ioas_unbind(struct vfio_ioas *s, int group, struct err *e)
{
	int r = s->ops->unbind ? s->ops->unbind(s, group) : -ENOENT;

	if (r == -ENOENT)
		return err_say(e, r, "IOMMU group %d is not in the space", group);
	if (r == -EBUSY)
		return err_say(e, r, "IOMMU group %d has open devices", group);
	if (r < 0)
		return err_set(e, r, "take IOMMU group %d out of the space", group);
	s->members--;
	return 0;
}

int vfio_ioas_attach(
	struct vfio_ioas *s, const struct vfio_member *m, struct vfio_dev *ret, struct err *e)
{
	int r = s->ops->attach(s, m, ret, e);

	if (r < 0)
		return r;
	s->members++;
	return 0;
}

int vfio_ioas_adopt(
	struct vfio_ioas *s, struct host *h, struct vfio_dev *d, int group, struct err *e)
{
	if (!s->ops->adopt)
		return err_say(
			e, -ENOTSUP, "%s takes no device that was opened elsewhere", s->ops->name);
	int r = s->ops->adopt(s, h, d, group, e);
	if (r < 0)
		return r;
	s->members++;
	return 0;
}

int vfio_ioas_receive(struct vfio_ioas *s, const struct vfio_member *m, int fd,
	struct vfio_dev *ret, struct err *e)
{
	if (!s->ops->receive)
		return err_say(
			e, -ENOTSUP, "%s takes no device that was opened elsewhere", s->ops->name);
	int r = s->ops->receive(s, m, fd, ret, e);
	if (r < 0)
		return r;
	s->members += (unsigned)r;
	return 0;
}

void vfio_ioas_detach(struct vfio_ioas *s, struct vfio_dev *d)
{
	if (!d->ops)
		return;
	s->ops->detach(s, d);
	*d = VFIO_DEV_NONE;
	s->members--;
}

int vfio_ioas_info(struct vfio_ioas *s, struct vfio_iommu *ret, struct err *e)
{
	return s->ops->info(s, ret, e);
}

bool vfio_ioas_can(struct vfio_ioas *s, enum vfio_ability what)
{
	return s->ops->can(s, what);
}

int vfio_ioas_kvm_file(const struct vfio_ioas *s, const struct vfio_dev *d)
{
	return s->ops->kvm_file(s, d);
}

bool vfio_ioas_owns(const struct vfio_ioas *s, int group)
{
	return s->ops && s->ops->owns(s, group);
}

size_t vfio_ioas_missing(const struct vfio_ioas *s, const struct vfio_dependent *hit, size_t count)
{
	return s->ops->missing(s, hit, count);
}

int vfio_ioas_reset_bus(
	struct vfio_ioas *s, struct vfio_dev *d, const struct vfio_dependent *hit, size_t count)
{
	return s->ops->reset_bus(s, d, hit, count);
}

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

static void hint_ranges(struct err *e, struct vfio_ioas *s)
{
	struct vfio_iommu info;

	if (vfio_ioas_info(s, &info, NULL) < 0 || !info.range_count)
		return;
	err_hint(e, "the IOMMU takes [0x%" PRIx64 "-0x%" PRIx64 "] and %zu more ranges",
		info.ranges[0].first.v, info.ranges[0].last.v, info.range_count - 1);
}

int vfio_ioas_explain_map(struct vfio_ioas *s, iova_t iova, uint64_t size, int code, struct err *e)
{
	(void)err_set(e, code, "map %" PRIu64 " bytes for DMA at iova 0x%" PRIx64, size, iova.v);
	if (code == -ENOMEM)
		hint_memlock(e, size);
	else if (code == -ENOSPC)
		err_hint(e, "the container has no mappings left: see dma_entry_limit of "
			    "vfio_iommu_type1");
	else if (code == -EINVAL)
		hint_ranges(e, s);
	return code;
}

int vfio_ioas_explain_unmap(iova_t iova, uint64_t size, uint64_t unmapped, int code, struct err *e)
{
	if (code < 0)
		return err_set(e, code, "unmap %" PRIu64 " bytes at iova 0x%" PRIx64, size, iova.v);
	return err_say(e, unmapped ? -EIO : -ENOENT,
		"unmap %" PRIu64 " bytes at iova 0x%" PRIx64 ": the kernel unmapped %" PRIu64, size,
		iova.v, unmapped);
}
