/* SPDX-License-Identifier: MIT */
#include "vfio/irq.h"

#include "base/err.h"
#include "vfio/device.h"

#include <errno.h>
#include <linux/vfio.h>
#include <string.h>

int vfio_irq_info(struct vfio_dev *d, uint32_t index, struct vfio_irqs *ret, struct err *e)
{
	struct vfio_irq_info info = {.argsz = sizeof(info), .index = index};
	int r = d->ops->call(d, VFIO_DEVICE_GET_IRQ_INFO, &info);

	if (r < 0)
		return err_set(e, r, "ask for interrupts of kind %u", index);
	*ret = (struct vfio_irqs){.index = index, .flags = info.flags, .count = info.count};
	return 0;
}

int vfio_irq_set(struct vfio_dev *d, uint32_t index, uint32_t start, const int *fds, uint32_t count)
{
	_Alignas(struct vfio_irq_set)
		uint8_t buf[sizeof(struct vfio_irq_set) + VFIO_VECTORS_MAX * sizeof(int32_t)];
	struct vfio_irq_set *set = (void *)buf;

	if (!count || count > VFIO_VECTORS_MAX)
		return -EINVAL;
	*set = (struct vfio_irq_set){
		.argsz = (uint32_t)(sizeof(*set) + count * sizeof(int32_t)),
		.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = index,
		.start = start,
		.count = count,
	};
	memcpy(set->data, fds, count * sizeof(int32_t));
	return d->ops->call(d, VFIO_DEVICE_SET_IRQS, set);
}

static int set_none(
	struct vfio_dev *d, uint32_t index, uint32_t action, uint32_t start, uint32_t count)
{
	struct vfio_irq_set set = {
		.argsz = sizeof(set),
		.flags = VFIO_IRQ_SET_DATA_NONE | action,
		.index = index,
		.start = start,
		.count = count,
	};
	int r = d->ops->call(d, VFIO_DEVICE_SET_IRQS, &set);

	return r > 0 ? -EIO : r;
}

int vfio_irq_disable(struct vfio_dev *d, uint32_t index)
{
	return set_none(d, index, VFIO_IRQ_SET_ACTION_TRIGGER, 0, 0);
}

int vfio_irq_mask(struct vfio_dev *d, uint32_t index)
{
	return set_none(d, index, VFIO_IRQ_SET_ACTION_MASK, 0, 1);
}

int vfio_irq_unmask(struct vfio_dev *d, uint32_t index)
{
	return set_none(d, index, VFIO_IRQ_SET_ACTION_UNMASK, 0, 1);
}

int vfio_irq_unmask_fd(struct vfio_dev *d, uint32_t index, int fd)
{
	_Alignas(struct vfio_irq_set) uint8_t buf[sizeof(struct vfio_irq_set) + sizeof(int32_t)];
	struct vfio_irq_set *set = (void *)buf;

	*set = (struct vfio_irq_set){
		.argsz = sizeof(buf),
		.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK,
		.index = index,
		.count = 1,
	};
	memcpy(set->data, &fd, sizeof(int32_t));
	int r = d->ops->call(d, VFIO_DEVICE_SET_IRQS, set);
	return r > 0 ? -EIO : r;
}

int vfio_irq_fire(struct vfio_dev *d, uint32_t index, uint32_t start, uint32_t count)
{
	return count ? set_none(d, index, VFIO_IRQ_SET_ACTION_TRIGGER, start, count) : -EINVAL;
}
