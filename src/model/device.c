/* SPDX-License-Identifier: MIT */
/* Devices of models: the ioctls and the regions of linux/vfio.h, with the kernel's errnos. */
#include "base/endian.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "model/host.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

static int info(struct usher_model_device *d, struct vfio_device_info *i)
{
	if (i->argsz < offsetof(struct vfio_device_info, cap_offset))
		return -EINVAL;
	i->flags = VFIO_DEVICE_FLAGS_PCI | (d->no_reset ? 0 : VFIO_DEVICE_FLAGS_RESET);
	i->num_regions = MODEL_REGIONS;
	i->num_irqs = MODEL_KINDS;
	return 0;
}

static uint64_t region_size(const struct usher_model_device *d, uint64_t index)
{
	if (index < USHER_MODEL_BARS)
		return d->model->shape.bar_size[index];
	return index == VFIO_PCI_CONFIG_REGION_INDEX ? model_config_size(d) : 0;
}

/* Where a BAR's memory begins. Return: its size when it has none. */
static uint64_t memory_off(const struct usher_model_device *d, uint64_t index)
{
	return d->bars[index] ? d->model->shape.bar_memory_off[index] : region_size(d, index);
}

struct region_answer {
	struct vfio_region_info info;
	/* struct vfio_region_info_cap_sparse_mmap, whose array has no length */
	struct vfio_info_cap_header cap;
	uint32_t nr_areas;
	uint32_t reserved;
	struct vfio_region_sparse_mmap_area area;
};

static int region_info(struct usher_model_device *d, struct vfio_region_info *i)
{
	struct region_answer full = {.info = {.argsz = sizeof(full.info), .index = i->index}};
	const uint32_t room = i->argsz;

	if (room < sizeof(*i) || i->index >= VFIO_PCI_VGA_REGION_INDEX)
		return -EINVAL;
	full.info.size = region_size(d, i->index);
	full.info.offset = (uint64_t)i->index << MODEL_REGION_SHIFT;
	if (full.info.size)
		full.info.flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	if (i->index < USHER_MODEL_BARS && d->bars[i->index])
		full.info.flags |= VFIO_REGION_INFO_FLAG_MMAP;
	if (full.info.flags & VFIO_REGION_INFO_FLAG_MMAP && memory_off(d, i->index)) {
		full.info.flags |= VFIO_REGION_INFO_FLAG_CAPS;
		full.info.argsz = sizeof(full);
		full.info.cap_offset = offsetof(struct region_answer, cap);
		full.cap.id = VFIO_REGION_INFO_CAP_SPARSE_MMAP;
		full.cap.version = 1;
		full.nr_areas = 1;
		full.area.offset = memory_off(d, i->index);
		full.area.size = full.info.size - full.area.offset;
	}
	if (room < full.info.argsz)
		full.info.cap_offset = 0;
	memcpy(i, &full, min_u64(room, full.info.argsz));
	return 0;
}

static int irq_info(struct usher_model_device *d, struct vfio_irq_info *i)
{
	if (i->argsz < sizeof(*i) || i->index >= MODEL_KINDS)
		return -EINVAL;
	if (i->index == VFIO_PCI_ERR_IRQ_INDEX && !d->model->shape.express)
		return -EINVAL;
	i->count = (uint32_t)model_irqs_count(d, i->index);
	i->flags = model_irqs_flags(d, i->index);
	return 0;
}

static void power_on(struct usher_model_device *d)
{
	model_config_reset(d);
	d->intx_level = false;
	d->asleep = false;
	for (unsigned i = 0; i < USHER_MODEL_BARS; i++)
		if (d->bars[i])
			memset(d->bars[i], 0, d->model->shape.bar_size[i]);
	if (d->model->ops->reset)
		d->model->ops->reset(d, d->state);
}

/* The kernel saves configuration space around a reset: bus mastering is what it was before. */
void model_device_reset(struct usher_model_device *d)
{
	const uint16_t command = le16_get(d->config + PCI_COMMAND);

	d->resets++;
	power_on(d);
	le16_put(d->config + PCI_COMMAND, command);
}

static int reset(struct usher_model_device *d)
{
	if (d->no_reset)
		return -EINVAL;
	if (d->gone)
		return -ENODEV;
	model_device_reset(d);
	return 0;
}

static int feature(struct usher_model_device *d, struct vfio_device_feature *f)
{
	const uint32_t uses = VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_GET;
	const uint32_t number = f->flags & VFIO_DEVICE_FEATURE_MASK;

	if (f->argsz < sizeof(*f))
		return -EINVAL;
	if (f->flags & ~(VFIO_DEVICE_FEATURE_MASK | uses | VFIO_DEVICE_FEATURE_PROBE))
		return -EINVAL;
	if (!(f->flags & VFIO_DEVICE_FEATURE_PROBE) && (f->flags & uses) == uses)
		return -EINVAL;
	if (number != VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY &&
		number != VFIO_DEVICE_FEATURE_LOW_POWER_EXIT)
		return -ENOTTY;
	if (f->flags & VFIO_DEVICE_FEATURE_GET)
		return -EINVAL;
	if (f->flags & VFIO_DEVICE_FEATURE_SET && !(f->flags & VFIO_DEVICE_FEATURE_PROBE))
		d->asleep = number == VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY;
	return 0;
}

static int dev_call(struct vfio_dev *v, unsigned long request, void *arg)
{
	struct usher_model_device *d = v->model;

	switch (request) {
	case VFIO_DEVICE_GET_INFO:
		return info(d, arg);
	case VFIO_DEVICE_GET_REGION_INFO:
		return region_info(d, arg);
	case VFIO_DEVICE_GET_IRQ_INFO:
		return irq_info(d, arg);
	case VFIO_DEVICE_SET_IRQS:
		return model_set_irqs(d, arg);
	case VFIO_DEVICE_RESET:
		return reset(d);
	case VFIO_DEVICE_GET_PCI_HOT_RESET_INFO:
		return model_hot_reset_info(d, arg);
	case VFIO_DEVICE_PCI_HOT_RESET:
		return model_hot_reset(d, arg);
	case VFIO_DEVICE_FEATURE:
		return feature(d, arg);
	default:
		return -ENOTTY;
	}
}

/* The largest access that alignment allows, as the kernel cuts a longer one. */
static unsigned step(uint64_t off, size_t len)
{
	unsigned size = 8;

	while (size > 1 && (off % size || size > len))
		size /= 2;
	return size;
}

/* Which region and where: as far as it lies inside. Return: bytes, -errno. */
static ssize_t place(const struct usher_model_device *d, uint64_t *off, size_t len, uint64_t *index)
{
	*index = *off >> MODEL_REGION_SHIFT;
	*off &= (UINT64_C(1) << MODEL_REGION_SHIFT) - 1;
	uint64_t size = *index < MODEL_REGIONS ? region_size(d, *index) : 0;
	if (*off >= size)
		return -EINVAL;
	if (d->gone || (*index < USHER_MODEL_BARS && !model_config_memory(d)))
		return -EIO;
	return (ssize_t)min_u64(len, size - *off);
}

static ssize_t dev_read(struct vfio_dev *v, void *buf, size_t len, uint64_t off)
{
	struct usher_model_device *d = v->model;
	uint64_t index;
	uint8_t *out = buf;
	ssize_t n = place(d, &off, len, &index);

	if (n < 0)
		return n;
	if (index == VFIO_PCI_CONFIG_REGION_INDEX) {
		memcpy(buf, d->config + off, (size_t)n);
	} else if (off >= memory_off(d, index)) {
		memcpy(buf, (uint8_t *)d->bars[index] + off, (size_t)n);
	} else {
		for (size_t done = 0, size; done < (size_t)n; done += size) {
			size = step(off + done, (size_t)n - done);
			le_put(out + done, (unsigned)size,
				d->model->ops->read(
					d, d->state, (unsigned)index, off + done, (unsigned)size));
		}
	}
	return n;
}

static ssize_t dev_write(struct vfio_dev *v, const void *buf, size_t len, uint64_t off)
{
	struct usher_model_device *d = v->model;
	uint64_t index;
	const uint8_t *in = buf;
	ssize_t n = place(d, &off, len, &index);

	if (n < 0)
		return n;
	if (index == VFIO_PCI_CONFIG_REGION_INDEX) {
		model_config_write(d, off, buf, (size_t)n);
	} else if (off >= memory_off(d, index)) {
		memcpy((uint8_t *)d->bars[index] + off, buf, (size_t)n);
	} else {
		for (size_t done = 0, size; done < (size_t)n; done += size) {
			size = step(off + done, (size_t)n - done);
			d->model->ops->write(d, d->state, (unsigned)index, off + done,
				(unsigned)size, le_get(in + done, (unsigned)size));
		}
	}
	return n;
}

static int dev_map(struct vfio_dev *v, void *at, size_t len, int prot, uint64_t off, void **ret)
{
	struct usher_model_device *d = v->model;
	uint64_t index = off >> MODEL_REGION_SHIFT;

	off &= (UINT64_C(1) << MODEL_REGION_SHIFT) - 1;
	if (index >= USHER_MODEL_BARS || !d->bars[index] || off < memory_off(d, index))
		return -EINVAL;
	if (!range_ok(off, len, align_up(region_size(d, index), KIB(4))))
		return -EINVAL;
	void *p = mmap(
		at, len, prot, MAP_SHARED | (at ? MAP_FIXED : 0), d->bar_fds[index], (off_t)off);
	if (p == MAP_FAILED)
		return -errno;
	*ret = p;
	return 0;
}

static void dev_close(struct vfio_dev *v)
{
	struct usher_model_device *d = v->model;

	fd_close(&v->fd);
	if (!d || --d->open)
		return;
	for (uint32_t i = 0; i < MODEL_KINDS; i++)
		model_irqs_off(d, i);
	if (!d->gone)
		power_on(d);
	if (!d->group_open && d->container) {
		model_container_put_group(d->container);
		d->container = NULL;
	}
}

static const struct vfio_dev_ops ops = {
	.call = dev_call,
	.read = dev_read,
	.write = dev_write,
	.map = dev_map,
	.close = dev_close,
};

int model_device_open(struct usher_model_device *d)
{
	int fd = eventfd(0, EFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	/* VFIO resets a device when it is opened for the first time. */
	if (!d->open++)
		power_on(d);
	return fd;
}

int model_device_from_fd(struct vfio_group *g, int fd, struct vfio_dev *ret, struct err *e)
{
	int r = vfio_dev_from_model(&ops, g->model, ret, e);

	if (r >= 0)
		ret->fd = fd;
	return r;
}
