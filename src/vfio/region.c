/* SPDX-License-Identifier: MIT */
#include "vfio/region.h"

#include "base/clean.h"
#include "base/endian.h"
#include "base/err.h"
#include "base/num.h"
#include "vfio/cap.h"
#include "vfio/device.h"

#include <errno.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define INFO_SIZE_MAX KIB(64)

/* Areas that overlap or leave the region are left out: then they are trapped, which always works. */
static void take_areas(
	const struct vfio_region_info_cap_sparse_mmap *cap, size_t room, struct vfio_region *ret)
{
	size_t fit = (room - sizeof(*cap)) / sizeof(cap->areas[0]);
	size_t n = min_u64(cap->nr_areas, fit);
	uint64_t end = 0;

	ret->area_count = 0;
	for (size_t i = 0; i < n && ret->area_count < VFIO_AREAS_MAX; i++) {
		uint64_t off = cap->areas[i].offset, size = cap->areas[i].size;
		if (!size || off < end || !range_ok(off, size, ret->size))
			continue;
		ret->areas[ret->area_count++] = (struct vfio_area){.off = off, .size = size};
		end = off + size;
	}
}

static void take_caps(const struct vfio_region_info *info, size_t size, struct vfio_region *ret)
{
	const struct vfio_info_cap_header *h = NULL;

	while ((h = vfio_cap_next(info, size, info->cap_offset, h))) {
		size_t room = vfio_cap_room(info, size, h);
		const void *cap = h;
		if (h->id == VFIO_REGION_INFO_CAP_MSIX_MAPPABLE)
			ret->msix_mappable = true;
		if (h->id == VFIO_REGION_INFO_CAP_SPARSE_MMAP && ret->area_count &&
			room >= sizeof(struct vfio_region_info_cap_sparse_mmap))
			take_areas(cap, room, ret);
		if (h->id == VFIO_REGION_INFO_CAP_TYPE &&
			room >= sizeof(struct vfio_region_info_cap_type)) {
			ret->type = ((const struct vfio_region_info_cap_type *)cap)->type;
			ret->subtype = ((const struct vfio_region_info_cap_type *)cap)->subtype;
		}
	}
}

int vfio_region_info(struct vfio_dev *d, uint32_t index, struct vfio_region *ret, struct err *e)
{
	struct vfio_region_info head = {.argsz = sizeof(head), .index = index};
	int r = d->ops->call(d, VFIO_DEVICE_GET_REGION_INFO, &head);

	if (r < 0)
		return err_set(e, r, "ask for region %u", index);
	size_t size = min_u64(max_u64(head.argsz, sizeof(head)), INFO_SIZE_MAX);
	cleanup_free struct vfio_region_info *info = calloc(1, size);
	if (!info)
		return err_set(e, -ENOMEM, "ask for region %u", index);
	info->argsz = (uint32_t)size;
	info->index = index;
	r = d->ops->call(d, VFIO_DEVICE_GET_REGION_INFO, info);
	if (r < 0)
		return err_set(e, r, "ask for region %u", index);
	if (info->offset + info->size < info->offset || info->offset + info->size > INT64_MAX)
		return err_say(e, -EPROTO, "region %u ends beyond its file", index);

	memset(ret, 0, sizeof(*ret));
	ret->index = index;
	ret->flags = info->flags;
	ret->size = info->size;
	ret->offset = info->offset;
	if ((info->flags & VFIO_REGION_INFO_FLAG_MMAP) && info->size)
		ret->areas[ret->area_count++] = (struct vfio_area){.off = 0, .size = info->size};
	if (info->flags & VFIO_REGION_INFO_FLAG_CAPS)
		take_caps(info, size, ret);
	return 0;
}

int vfio_region_read(
	struct vfio_dev *d, const struct vfio_region *r, uint64_t off, void *buf, size_t len)
{
	if (!range_ok(off, len, r->size))
		return -ERANGE;
	if (!(r->flags & VFIO_REGION_INFO_FLAG_READ))
		return -EACCES;
	ssize_t n = d->ops->read(d, buf, len, r->offset + off);
	if (n < 0)
		return (int)n;
	return (size_t)n == len ? 0 : -EIO;
}

int vfio_region_write(
	struct vfio_dev *d, const struct vfio_region *r, uint64_t off, const void *buf, size_t len)
{
	if (!range_ok(off, len, r->size))
		return -ERANGE;
	if (!(r->flags & VFIO_REGION_INFO_FLAG_WRITE))
		return -EACCES;
	ssize_t n = d->ops->write(d, buf, len, r->offset + off);
	if (n < 0)
		return (int)n;
	return (size_t)n == len ? 0 : -EIO;
}

int vfio_region_get(
	struct vfio_dev *d, const struct vfio_region *r, uint64_t off, unsigned size, uint64_t *ret)
{
	uint8_t buf[8];

	if (size > sizeof(buf))
		return -ERANGE;
	int code = vfio_region_read(d, r, off, buf, size);
	if (code < 0)
		return code;
	*ret = le_get(buf, size);
	return 0;
}

int vfio_region_put(struct vfio_dev *d, const struct vfio_region *r, uint64_t off, unsigned size,
	uint64_t value)
{
	uint8_t buf[8];

	if (size > sizeof(buf))
		return -ERANGE;
	le_put(buf, size, value);
	return vfio_region_write(d, r, off, buf, size);
}

int vfio_region_map(struct vfio_dev *d, const struct vfio_region *r, uint64_t off, uint64_t len,
	void *at, void **ret)
{
	int prot = 0;

	if (!range_ok(off, len, r->size))
		return -ERANGE;
	if (r->flags & VFIO_REGION_INFO_FLAG_READ)
		prot |= PROT_READ;
	if (r->flags & VFIO_REGION_INFO_FLAG_WRITE)
		prot |= PROT_WRITE;
	return d->ops->map(d, at, len, prot, r->offset + off, ret);
}

int vfio_region_ioeventfd(struct vfio_dev *d, const struct vfio_region *r, uint64_t off,
	unsigned size, uint64_t value, int fd)
{
	struct vfio_device_ioeventfd io = {
		.argsz = sizeof(io),
		.flags = size, /* VFIO_DEVICE_IOEVENTFD_8 … _64 are the sizes themselves */
		.offset = r->offset + off,
		.data = value,
		.fd = fd,
	};

	if ((size != 1 && size != 2 && size != 4 && size != 8) || off % size)
		return -EINVAL;
	if (!range_ok(off, size, r->size))
		return -ERANGE;
	int code = d->ops->call(d, VFIO_DEVICE_IOEVENTFD, &io);
	return code > 0 ? 0 : code;
}
