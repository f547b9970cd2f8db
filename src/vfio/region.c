/* SPDX-License-Identifier: MIT */
#include "vfio/region.h"

#include "base/endian.h"
#include "base/err.h"
#include "base/num.h"
#include "vfio/device.h"

#include <errno.h>
#include <linux/vfio.h>
#include <string.h>
#include <sys/mman.h>

int vfio_region_info(struct vfio_dev *d, uint32_t index, struct vfio_region *ret, struct err *e)
{
	memset(ret, 0, sizeof(*ret));
	int r = d->ops->region_info(d, index, ret);
	if (r < 0)
		return err_set(e, r, "ask for region %u", index);
	ret->index = index;
	if (ret->offset + ret->size < ret->offset || ret->offset + ret->size > INT64_MAX)
		return err_say(e, -EPROTO, "region %u ends beyond its file", index);
	return 0;
}

int vfio_region_read(
	struct vfio_dev *d, const struct vfio_region *r, uint64_t off, void *buf, size_t len)
{
	if (!range_ok(off, len, r->size))
		return -ERANGE;
	if (!(r->flags & VFIO_REGION_INFO_FLAG_READ))
		return -EACCES;
	ssize_t n = d->ops->read(d, r, off, buf, len);
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
	ssize_t n = d->ops->write(d, r, off, buf, len);
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
	return d->ops->map(d, r, off, len, prot, at, ret);
}

int vfio_region_ioeventfd(struct vfio_dev *d, const struct vfio_region *r, uint64_t off,
	unsigned size, uint64_t value, int fd)
{
	if ((size != 1 && size != 2 && size != 4 && size != 8) || off % size)
		return -EINVAL;
	if (!range_ok(off, size, r->size))
		return -ERANGE;
	int code = d->ops->ioeventfd(d, r, off, size, value, fd);
	return code > 0 ? 0 : code;
}
