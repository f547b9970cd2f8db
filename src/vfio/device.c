/* SPDX-License-Identifier: MIT */
#include "vfio/device.h"

#include "base/err.h"
#include "vfio/kernel_device.h"

#include <errno.h>
#include <linux/vfio.h>

static int device_learn(struct vfio_dev *d, struct err *e)
{
	struct vfio_dev_info info = {0};
	int r = d->ops->info(d, &info);

	if (r < 0)
		return err_set(e, r, "ask a VFIO device what it is");
	if (!(info.flags & VFIO_DEVICE_FLAGS_PCI))
		return err_say(e, -EINVAL, "the VFIO device is not a PCI device");
	d->flags = info.flags;
	d->region_count = info.region_count;
	d->irq_count = info.irq_count;
	return 0;
}

int vfio_dev_from_fd(int fd, struct vfio_dev *ret, struct err *e)
{
	struct vfio_dev d = VFIO_DEV_NONE;

	d.ops = &vfio_kernel_device;
	d.fd = fd;
	int r = device_learn(&d, e);
	if (r < 0)
		return r;
	*ret = d;
	return 0;
}

int vfio_dev_from_model(
	const struct vfio_dev_ops *ops, void *model, struct vfio_dev *ret, struct err *e)
{
	struct vfio_dev d = VFIO_DEV_NONE;

	d.ops = ops;
	d.model = model;
	int r = device_learn(&d, e);
	if (r < 0)
		return r;
	*ret = d;
	return 0;
}

void vfio_dev_close(struct vfio_dev *d)
{
	if (d->ops && d->ops->close)
		d->ops->close(d);
	*d = VFIO_DEV_NONE;
}

unsigned vfio_dev_atomics(struct vfio_dev *d)
{
	struct vfio_dev_info info = {0};

	return d->ops->info(d, &info) < 0 ? 0 : info.atomics;
}

int vfio_dev_reset(struct vfio_dev *d, struct err *e)
{
	if (!(d->flags & VFIO_DEVICE_FLAGS_RESET))
		return err_say(e, -ENOTTY, "the device has no way to be reset");
	int r = d->ops->reset(d);
	if (r < 0)
		return err_set(e, r, "reset the device");
	return 0;
}
