/* SPDX-License-Identifier: MIT */
/* Regions through the kernel. */
#include "base/num.h"
#include "base/sized.h"
#include "base/usher_err.h"
#include "lib/device.h"

#include <errno.h>
#include <linux/vfio.h>

_Static_assert(USHER_ROM == VFIO_PCI_ROM_REGION_INDEX, "uapi");
_Static_assert(USHER_CONFIG == VFIO_PCI_CONFIG_REGION_INDEX, "uapi");
_Static_assert(USHER_REGION_MAP == VFIO_REGION_INFO_FLAG_MMAP, "uapi");

/* A vendor's regions, beyond the fixed ones, are not cached. */
static int region_get(
	struct usher_device *d, uint32_t index, struct vfio_region *ret, struct usher_err *e)
{
	if (index < DEVICE_REGIONS) {
		*ret = d->regions[index];
		return 0;
	}
	return vfio_region_info(&d->vfio, index, ret, err_from_usher(e));
}

int usher_region_info_sized(struct usher_device *d, uint32_t index, struct usher_region *ret,
	size_t size, struct usher_err *e)
{
	struct vfio_region r;
	int code = region_get(d, index, &r, e);

	if (code < 0)
		return err_in(err_from_usher(e), code, "%s", d->info.name);
	struct usher_region info = {.index = index,
		.flags = r.flags & 7,
		.size = r.size,
		.type = r.type,
		.subtype = r.subtype};
	for (size_t i = 0; i < r.area_count && i < COUNT(info.areas); i++) {
		info.areas[i].off = r.areas[i].off;
		info.areas[i].size = r.areas[i].size;
		info.area_count++;
	}
	code = sized_write(ret, size, SIZE_UP_TO(struct usher_region, areas), &info, sizeof(info));
	return code < 0 ? err_set(err_from_usher(e), code, "answer about a region") : 0;
}

int usher_region_read(struct usher_device *d, uint32_t index, uint64_t off, void *buf, size_t len)
{
	struct vfio_region r;
	int code = region_get(d, index, &r, NULL);

	return code < 0 ? code : device_verdict(d, vfio_region_read(&d->vfio, &r, off, buf, len));
}

int usher_region_write(
	struct usher_device *d, uint32_t index, uint64_t off, const void *buf, size_t len)
{
	struct vfio_region r;
	int code = region_get(d, index, &r, NULL);

	return code < 0 ? code : device_verdict(d, vfio_region_write(&d->vfio, &r, off, buf, len));
}

int usher_region_ioeventfd(
	struct usher_device *d, uint32_t index, uint64_t off, unsigned size, uint64_t value, int fd)
{
	struct vfio_region r;
	int code = region_get(d, index, &r, NULL);

	return code < 0 ? code : vfio_region_ioeventfd(&d->vfio, &r, off, size, value, fd);
}
