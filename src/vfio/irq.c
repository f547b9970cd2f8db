/* SPDX-License-Identifier: MIT */
#include "vfio/irq.h"

#include "base/err.h"
#include "vfio/device.h"

#include <errno.h>

int vfio_irq_info(struct vfio_dev *d, uint32_t index, struct vfio_irqs *ret, struct err *e)
{
	int r = d->ops->irq_info(d, index, ret);

	if (r < 0)
		return err_set(e, r, "ask for interrupts of kind %u", index);
	return 0;
}

int vfio_irq_set(struct vfio_dev *d, uint32_t index, uint32_t start, const int *fds, uint32_t count)
{
	if (!count || count > VFIO_VECTORS_MAX)
		return -EINVAL;
	return d->ops->irq_set(d, index, start, fds, count);
}

static int irq_act(
	struct vfio_dev *d, uint32_t index, enum vfio_irq_act act, uint32_t start, uint32_t count)
{
	int r = d->ops->irq_act(d, index, act, start, count);

	return r > 0 ? -EIO : r;
}

int vfio_irq_disable(struct vfio_dev *d, uint32_t index)
{
	return irq_act(d, index, VFIO_IRQ_OFF, 0, 0);
}

int vfio_irq_mask(struct vfio_dev *d, uint32_t index)
{
	return irq_act(d, index, VFIO_IRQ_MASK, 0, 1);
}

int vfio_irq_unmask(struct vfio_dev *d, uint32_t index)
{
	return irq_act(d, index, VFIO_IRQ_UNMASK, 0, 1);
}

int vfio_irq_unmask_fd(struct vfio_dev *d, uint32_t index, int fd)
{
	int r = d->ops->irq_unmask_fd(d, index, fd);

	return r > 0 ? -EIO : r;
}

int vfio_irq_fire(struct vfio_dev *d, uint32_t index, uint32_t start, uint32_t count)
{
	return count ? irq_act(d, index, VFIO_IRQ_FIRE, start, count) : -EINVAL;
}
