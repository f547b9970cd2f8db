/* SPDX-License-Identifier: MIT */
/* The verbs of a model's device (vfio/device.h), with the kernel's errnos. */
#include "base/endian.h"
#include "base/fd.h"
#include "base/num.h"
#include "model/host.h"

#include <errno.h>
#include <linux/vfio.h>
#include <string.h>
#include <sys/mman.h>

static int verb_info(struct vfio_dev *v, struct vfio_dev_info *ret)
{
	const struct usher_model_device *d = v->model;

	*ret = (struct vfio_dev_info){
		.flags = VFIO_DEVICE_FLAGS_PCI | (d->no_reset ? 0 : VFIO_DEVICE_FLAGS_RESET),
		.region_count = MODEL_REGIONS,
		.irq_count = MODEL_KINDS,
	};
	return 0;
}

static int verb_region_info(struct vfio_dev *v, uint32_t index, struct vfio_region *ret)
{
	const struct usher_model_device *d = v->model;

	if (index >= VFIO_PCI_VGA_REGION_INDEX)
		return -EINVAL;
	ret->index = index;
	ret->size = model_region_size(d, index);
	if (ret->size)
		ret->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	if (index >= USHER_MODEL_BARS || !d->bars[index])
		return 0;
	const uint64_t from = model_region_memory(d, index);
	ret->flags |= VFIO_REGION_INFO_FLAG_MMAP;
	ret->areas[ret->area_count++] = (struct vfio_area){.off = from, .size = ret->size - from};
	if (from)
		ret->flags |= VFIO_REGION_INFO_FLAG_CAPS;
	return 0;
}

/* The largest access that alignment allows, as the kernel cuts a longer one. */
static unsigned access_size(uint64_t off, size_t len)
{
	unsigned size = 8;

	while (size > 1 && (off % size || size > len))
		size /= 2;
	return size;
}

/* How much of an access lies inside a region. Return: bytes, -errno. */
static ssize_t bytes_inside(
	const struct usher_model_device *d, uint32_t index, uint64_t off, size_t len)
{
	uint64_t size = index < MODEL_REGIONS ? model_region_size(d, index) : 0;

	if (off >= size)
		return -EINVAL;
	if (d->gone || (index < USHER_MODEL_BARS && !model_config_memory(d)))
		return -EIO;
	return (ssize_t)min_u64(len, size - off);
}

static ssize_t verb_read(
	struct vfio_dev *v, const struct vfio_region *r, uint64_t off, void *buf, size_t len)
{
	struct usher_model_device *d = v->model;
	const uint32_t index = r->index;
	uint8_t *out = buf;
	ssize_t inside = bytes_inside(d, index, off, len);

	if (inside < 0)
		return inside;
	if (index == VFIO_PCI_CONFIG_REGION_INDEX) {
		memcpy(buf, d->config + off, (size_t)inside);
	} else if (off >= model_region_memory(d, index)) {
		memcpy(buf, (uint8_t *)d->bars[index] + off, (size_t)inside);
	} else {
		for (size_t done = 0, size; done < (size_t)inside; done += size) {
			size = access_size(off + done, (size_t)inside - done);
			le_put(out + done, (unsigned)size,
				d->model->ops->read(
					d, d->state, index, off + done, (unsigned)size));
		}
	}
	return inside;
}

static ssize_t verb_write(
	struct vfio_dev *v, const struct vfio_region *r, uint64_t off, const void *buf, size_t len)
{
	struct usher_model_device *d = v->model;
	const uint32_t index = r->index;
	const uint8_t *in = buf;
	ssize_t inside = bytes_inside(d, index, off, len);

	if (inside < 0)
		return inside;
	if (index == VFIO_PCI_CONFIG_REGION_INDEX) {
		model_config_write(d, off, buf, (size_t)inside);
	} else if (off >= model_region_memory(d, index)) {
		memcpy((uint8_t *)d->bars[index] + off, buf, (size_t)inside);
	} else {
		for (size_t done = 0, size; done < (size_t)inside; done += size) {
			size = access_size(off + done, (size_t)inside - done);
			d->model->ops->write(d, d->state, index, off + done, (unsigned)size,
				le_get(in + done, (unsigned)size));
		}
	}
	return inside;
}

static int verb_map(struct vfio_dev *v, const struct vfio_region *r, uint64_t off, size_t len,
	int prot, void *at, void **ret)
{
	struct usher_model_device *d = v->model;
	const uint32_t index = r->index;

	if (index >= USHER_MODEL_BARS || !d->bars[index] || off < model_region_memory(d, index))
		return -EINVAL;
	if (!range_ok(off, len, align_up(model_region_size(d, index), KIB(4))))
		return -EINVAL;
	void *p = mmap(
		at, len, prot, MAP_SHARED | (at ? MAP_FIXED : 0), d->bar_fds[index], (off_t)off);
	if (p == MAP_FAILED)
		return -errno;
	*ret = p;
	return 0;
}

static int verb_ioeventfd(struct vfio_dev *v, const struct vfio_region *r, uint64_t off,
	unsigned size, uint64_t value, int fd)
{
	(void)v, (void)r, (void)off, (void)size, (void)value, (void)fd;
	return -ENOTTY;
}

static int verb_irq_info(struct vfio_dev *v, uint32_t index, struct vfio_irqs *ret)
{
	const struct usher_model_device *d = v->model;

	if (index >= MODEL_KINDS)
		return -EINVAL;
	if (index == VFIO_PCI_ERR_IRQ_INDEX && !d->model->shape.express)
		return -EINVAL;
	*ret = (struct vfio_irqs){.index = index,
		.count = (uint32_t)model_irqs_count(d, index),
		.flags = model_irqs_flags(d, index)};
	return 0;
}

static int verb_irq_set(
	struct vfio_dev *v, uint32_t index, uint32_t start, const int *fds, uint32_t count)
{
	return model_irqs_set(v->model, index, start, fds, count);
}

static int verb_irq_act(
	struct vfio_dev *v, uint32_t index, enum vfio_irq_act act, uint32_t start, uint32_t count)
{
	return model_irqs_act(v->model, index, act, start, count);
}

static int verb_irq_unmask_fd(struct vfio_dev *v, uint32_t index, int fd)
{
	return model_irqs_unmask_fd(v->model, index, fd);
}

static int verb_reset(struct vfio_dev *v)
{
	struct usher_model_device *d = v->model;

	if (d->no_reset)
		return -EINVAL;
	if (d->gone)
		return -ENODEV;
	model_device_reset(d);
	return 0;
}

static int verb_dependents(struct vfio_dev *v, struct vfio_dependent **ret)
{
	return model_bus_dependents(v->model, ret);
}

static int verb_reset_bus(struct vfio_dev *v, const int *groups, size_t count)
{
	return model_bus_reset(v->model, groups, count);
}

static int verb_feature(struct vfio_dev *v, uint32_t flags, void *data, size_t size)
{
	struct usher_model_device *d = v->model;
	const uint32_t uses = VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_GET;
	const uint32_t number = flags & VFIO_DEVICE_FEATURE_MASK;

	(void)data, (void)size;
	if (flags & ~(VFIO_DEVICE_FEATURE_MASK | uses | VFIO_DEVICE_FEATURE_PROBE))
		return -EINVAL;
	if (!(flags & VFIO_DEVICE_FEATURE_PROBE) && (flags & uses) == uses)
		return -EINVAL;
	if (number != VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY &&
		number != VFIO_DEVICE_FEATURE_LOW_POWER_EXIT)
		return -ENOTTY;
	if (flags & VFIO_DEVICE_FEATURE_GET)
		return -EINVAL;
	if (flags & VFIO_DEVICE_FEATURE_SET && !(flags & VFIO_DEVICE_FEATURE_PROBE))
		d->asleep = number == VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY;
	return 0;
}

static void verb_close(struct vfio_dev *v)
{
	fd_close(&v->fd);
	if (v->model)
		model_device_close(v->model);
}

const struct vfio_dev_ops model_verbs = {
	.info = verb_info,
	.region_info = verb_region_info,
	.read = verb_read,
	.write = verb_write,
	.map = verb_map,
	.ioeventfd = verb_ioeventfd,
	.irq_info = verb_irq_info,
	.irq_set = verb_irq_set,
	.irq_act = verb_irq_act,
	.irq_unmask_fd = verb_irq_unmask_fd,
	.reset = verb_reset,
	.dependents = verb_dependents,
	.reset_bus = verb_reset_bus,
	.feature = verb_feature,
	.close = verb_close,
};

int model_device_verbs(struct usher_model_device *d, int fd, struct vfio_dev *ret, struct err *e)
{
	int r = vfio_dev_from_model(&model_verbs, d, ret, e);

	if (r < 0)
		return r;
	ret->fd = fd;
	ret->group = d->group;
	return 0;
}
