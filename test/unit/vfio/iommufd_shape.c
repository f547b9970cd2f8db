/* SPDX-License-Identifier: MIT */
#include "vfio/iommufd_shape.h"

#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "model/host.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define IOAS_MAX 8
#define MAPS_MAX 128
#define DEVICES_MAX 8
#define MSI_FIRST 0xfee00000
#define MSI_LAST 0xfeefffff

/* The one iommufd. */
static struct {
	struct ioas {
		uint32_t id; /* 0: free */
		size_t count;
		struct range {
			uint64_t iova, size;
		} maps[MAPS_MAX];
	} spaces[IOAS_MAX];
	struct bound {
		struct usher_model_device *device; /* NULL: free */
		uint32_t ioas; /* to which it is attached */
	} devices[DEVICES_MAX];
	uint32_t last_id;
} iommufd;

/* The handle has nothing but an id. */
static uint32_t id_of(const struct vfio_ioas *s)
{
	return (uint32_t)(uintptr_t)s->state;
}

static struct ioas *ioas_find(uint32_t id)
{
	for (size_t i = 0; i < IOAS_MAX; i++)
		if (iommufd.spaces[i].id == id)
			return &iommufd.spaces[i];
	return NULL;
}

static int shape_open(struct vfio_ioas *ret, struct err *e)
{
	struct ioas *a = ioas_find(0);

	if (!a)
		return err_set(e, -ENOSPC, "allocate an IOAS");
	*a = (struct ioas){.id = ++iommufd.last_id};
	ret->state = (void *)(uintptr_t)a->id;
	return 0;
}

static void shape_close(struct vfio_ioas *s)
{
	ioas_find(id_of(s))->id = 0;
}

static struct bound *bound_find(const struct usher_model_device *d)
{
	for (size_t i = 0; i < DEVICES_MAX; i++)
		if (iommufd.devices[i].device == d)
			return &iommufd.devices[i];
	return NULL;
}

/* A device of this process by its name, as /sys/bus/pci/devices/NAME/vfio-dev leads to its node. */
static struct usher_model_device *device_find(const char *name)
{
	model_lock();
	struct usher_model_device *d = model_plugged();
	while (d && strcmp(d->name, name) != 0)
		d = d->next;
	model_unlock();
	return d;
}

static int shape_attach(
	struct vfio_ioas *s, const struct vfio_member *m, struct vfio_dev *ret, struct err *e)
{
	struct usher_model_device *d = device_find(m->name);

	if (!d)
		return err_set(e, -ENODEV, "%s", m->name);
	if (bound_find(d))
		return err_set(e, -EBUSY, "%s: bind to the iommufd", m->name);
	int fd = model_device_open(d);
	if (fd < 0)
		return err_set(e, fd, "%s", m->name);
	*bound_find(NULL) = (struct bound){.device = d, .ioas = id_of(s)};
	return model_device_verbs(d, fd, ret, e);
}

static void shape_detach(struct vfio_ioas *s, struct vfio_dev *v)
{
	*bound_find(v->model) = (struct bound){.device = NULL};
	vfio_dev_close(v);
}

static int shape_info(struct vfio_ioas *s, struct vfio_iommu *ret, struct err *e)
{
	*ret = (struct vfio_iommu){.page_sizes = KIB(4) | MIB(2),
		.dma_avail = UINT32_MAX,
		.range_count = 2,
		.ranges = {{{0}, {MSI_FIRST - 1}}, {{MSI_LAST + 1}, {(UINT64_C(1) << 48) - 1}}}};
	return 0;
}

static bool shape_can(struct vfio_ioas *s, enum vfio_ability what)
{
	return what == VFIO_CAN_COHERENT;
}

static int check_range(uint64_t iova, uint64_t size)
{
	if (!size || (iova | size) % KIB(4) || iova + (size - 1) < iova)
		return -EINVAL;
	return 0;
}

static bool overlaps(const struct range *r, uint64_t iova, uint64_t size)
{
	return r->iova <= iova + (size - 1) && iova <= r->iova + (r->size - 1);
}

static int shape_map(struct vfio_ioas *s, iova_t iova, void *host, uint64_t size, unsigned access)
{
	struct ioas *a = ioas_find(id_of(s));

	if (check_range(iova.v, size) < 0 || (uintptr_t)host % KIB(4) || !access)
		return -EINVAL;
	if (overlaps(&(struct range){MSI_FIRST, MSI_LAST - MSI_FIRST + 1}, iova.v, size))
		return -EINVAL;
	for (size_t i = 0; i < a->count; i++)
		if (overlaps(&a->maps[i], iova.v, size))
			return -EEXIST;
	if (madvise(host, size,
		    access & VFIO_DMA_WRITE ? MADV_POPULATE_WRITE : MADV_POPULATE_READ) < 0)
		return -EFAULT;
	if (a->count == MAPS_MAX)
		return -ENOSPC;
	a->maps[a->count++] = (struct range){iova.v, size};
	return 0;
}

static bool is_inside(const struct range *r, uint64_t iova, uint64_t size)
{
	return r->iova >= iova && r->iova + (r->size - 1) <= iova + (size - 1);
}

static int shape_unmap(struct vfio_ioas *s, iova_t iova, uint64_t size, uint64_t *ret)
{
	struct ioas *a = ioas_find(id_of(s));
	uint64_t sum = 0;

	if (check_range(iova.v, size) < 0)
		return -EINVAL;
	for (size_t i = 0; i < a->count; i++)
		if (overlaps(&a->maps[i], iova.v, size) && !is_inside(&a->maps[i], iova.v, size))
			return -ENOENT; /* would cut it in two */
	for (size_t i = a->count; i-- > 0;) {
		if (!is_inside(&a->maps[i], iova.v, size))
			continue;
		sum += a->maps[i].size;
		a->maps[i] = a->maps[--a->count];
	}
	*ret = sum;
	return sum ? 0 : -ENOENT;
}

/* KVM takes the device's own file. */
static int shape_kvm_file(const struct vfio_ioas *s, const struct vfio_dev *d)
{
	return d->fd;
}

static bool shape_owns(const struct vfio_ioas *s, int group)
{
	for (size_t i = 0; i < DEVICES_MAX; i++)
		if (iommufd.devices[i].device && iommufd.devices[i].device->group == group &&
			iommufd.devices[i].ioas == id_of(s))
			return true;
	return false;
}

static int shape_reset_bus(
	struct vfio_ioas *s, struct vfio_dev *d, const struct vfio_dependent *hit, size_t count)
{
	if (vfio_hotreset_missing(s, hit, count) < count)
		return -EPERM;
	for (size_t i = 0; i < count; i++)
		model_device_reset(model_find_plugged(hit[i].group));
	return 0;
}

const struct vfio_ioas_ops iommufd_shape = {
	.name = "a stand-in for iommufd",
	.open = shape_open,
	.close = shape_close,
	.attach = shape_attach,
	.detach = shape_detach,
	.info = shape_info,
	.can = shape_can,
	.map = shape_map,
	.unmap = shape_unmap,
	.kvm_file = shape_kvm_file,
	.owns = shape_owns,
	.missing = vfio_hotreset_missing,
	.reset_bus = shape_reset_bus,
};
