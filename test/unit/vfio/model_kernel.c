/* SPDX-License-Identifier: MIT */
#include "vfio/model_kernel.h"

#include "base/num.h"
#include "model/host.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define FDS_MAX 1024
#define REGION_SHIFT 40
#define REGION_MASK ((UINT64_C(1) << REGION_SHIFT) - 1)

static struct model_file {
	enum { OTHER, CONTAINER, GROUP, DEVICE } kind;
	struct model_container *container;
	struct usher_model_device *device; /* also the number of a group */
} files[FDS_MAX];

int __real_open64(const char *path, int flags, mode_t mode);
int __real_ioctl(int fd, unsigned long request, void *arg);
ssize_t __real_pread64(int fd, void *buf, size_t len, off_t off);
ssize_t __real_pwrite64(int fd, const void *buf, size_t len, off_t off);
void *__real_mmap64(void *at, size_t len, int prot, int flags, int fd, off_t off);
int __real_close(int fd);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);
ssize_t __wrap_pread64(int fd, void *buf, size_t len, off_t off);
ssize_t __wrap_pwrite64(int fd, const void *buf, size_t len, off_t off);
void *__wrap_mmap64(void *at, size_t len, int prot, int flags, int fd, off_t off);
int __wrap_close(int fd);

static struct model_file *file_of(int fd)
{
	static struct model_file none;

	return fd >= 0 && fd < FDS_MAX ? &files[fd] : &none;
}

/* -errno as a system call says it. */
static int answer(int r)
{
	if (r >= 0)
		return r;
	errno = -r;
	return -1;
}

static struct vfio_dev device_of(const struct model_file *f)
{
	struct vfio_dev v = VFIO_DEV_NONE;

	v.ops = &model_verbs;
	v.model = f->device;
	return v;
}

static int open_container(void)
{
	struct model_container *c;
	int r = model_container_open(&c);

	if (r < 0)
		return r;
	files[c->fd] = (struct model_file){.kind = CONTAINER, .container = c};
	return c->fd;
}

static int open_group(int number)
{
	struct usher_model_device *d = model_find_plugged(number);
	int fd = d ? model_group_open(d) : -ENOENT;

	if (fd >= 0)
		files[fd] = (struct model_file){.kind = GROUP, .device = d};
	return fd;
}

int __wrap_open64(const char *path, int flags, ...)
{
	va_list ap;
	int number;

	if (strcmp(path, "/dev/vfio/vfio") == 0)
		return answer(open_container());
	if (sscanf(path, "/dev/vfio/%d", &number) == 1)
		return answer(open_group(number));
	va_start(ap, flags);
	mode_t mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	return __real_open64(path, flags, mode);
}

struct info_answer {
	struct vfio_iommu_type1_info head;
	struct { /* struct vfio_iommu_type1_info_cap_iova_range, whose array has no length */
		struct vfio_info_cap_header header;
		uint32_t nr_iovas;
		uint32_t reserved;
		struct vfio_iova_range ranges[2];
	} cap;
	struct vfio_iommu_type1_info_dma_avail avail;
} __attribute__((aligned(8)));

static int iommu_info(struct model_container *c, struct vfio_iommu_type1_info *arg)
{
	struct vfio_iommu i;
	const uint32_t argsz = arg->argsz;
	int r = model_container_info(c, &i);

	if (r < 0 || argsz < offsetof(struct vfio_iommu_type1_info, cap_offset))
		return -EINVAL;
	struct info_answer all = {
		.head = {.argsz = sizeof(all),
			.flags = VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS,
			.iova_pgsizes = i.page_sizes},
		.cap = {.header = {.id = VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, .version = 1},
			.nr_iovas = COUNT(all.cap.ranges)},
		.avail = {.header = {.id = VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL, .version = 1},
			.avail = i.dma_avail},
	};
	for (size_t k = 0; k < COUNT(all.cap.ranges); k++) {
		all.cap.ranges[k].start = i.ranges[k].first.v;
		all.cap.ranges[k].end = i.ranges[k].last.v;
	}
	if (argsz >= sizeof(all)) {
		all.head.cap_offset = offsetof(struct info_answer, cap);
		all.cap.header.next = offsetof(struct info_answer, avail);
	}
	memcpy(arg, &all, min_u64(argsz, argsz >= sizeof(all) ? sizeof(all) : sizeof(all.head)));
	return 0;
}

static int dma_map(struct model_container *c, const struct vfio_iommu_type1_dma_map *m)
{
	if (m->argsz < sizeof(*m))
		return -EINVAL;
	return model_container_map(
		c, IOVA(m->iova), (void *)(uintptr_t)m->vaddr, m->size, m->flags);
}

static int dma_unmap(struct model_container *c, struct vfio_iommu_type1_dma_unmap *u)
{
	uint64_t size = 0;
	int r = 0;

	if (u->argsz < sizeof(*u) || u->flags & ~VFIO_DMA_UNMAP_FLAG_ALL)
		return -EINVAL;
	if (u->flags & VFIO_DMA_UNMAP_FLAG_ALL && (u->iova || u->size))
		return -EINVAL;
	if (u->flags & VFIO_DMA_UNMAP_FLAG_ALL)
		model_container_unmap_all(c, &size);
	else
		r = model_container_unmap(c, IOVA(u->iova), u->size, &size);
	if (r < 0)
		return r;
	u->size = size;
	return 0;
}

static int extension(unsigned long which)
{
	return which == VFIO_TYPE1v2_IOMMU || which == VFIO_UNMAP_ALL || which == VFIO_DMA_CC_IOMMU;
}

static int container_ioctl(struct model_container *c, unsigned long request, void *arg)
{
	switch (request) {
	case VFIO_GET_API_VERSION:
		return VFIO_API_VERSION;
	case VFIO_CHECK_EXTENSION:
		return extension((unsigned long)arg);
	case VFIO_SET_IOMMU:
		return (unsigned long)arg == VFIO_TYPE1v2_IOMMU ? model_container_set_iommu(c)
								: -ENODEV;
	default:
		break;
	}
	if (!model_container_ready(c))
		return -EINVAL; /* the kernel's default while there is no IOMMU */
	switch (request) {
	case VFIO_IOMMU_GET_INFO:
		return iommu_info(c, arg);
	case VFIO_IOMMU_MAP_DMA:
		return dma_map(c, arg);
	case VFIO_IOMMU_UNMAP_DMA:
		return dma_unmap(c, arg);
	default:
		return -ENOTTY;
	}
}

static int group_status(const struct usher_model_device *d, struct vfio_group_status *s)
{
	if (s->argsz < sizeof(*s))
		return -EINVAL;
	s->flags = VFIO_GROUP_FLAGS_VIABLE | (d->container ? VFIO_GROUP_FLAGS_CONTAINER_SET : 0);
	return 0;
}

static int set_container(struct usher_model_device *d, const int *fd)
{
	if (d->container)
		return -EINVAL;
	return fd ? model_group_set_container(d, *fd) : -EFAULT;
}

static int device_fd(struct usher_model_device *d, const char *name)
{
	int fd = model_group_device(d, name);

	if (fd >= 0)
		files[fd] = (struct model_file){.kind = DEVICE, .device = d};
	return fd;
}

static int group_ioctl(struct usher_model_device *d, unsigned long request, void *arg)
{
	switch (request) {
	case VFIO_GROUP_GET_STATUS:
		return group_status(d, arg);
	case VFIO_GROUP_SET_CONTAINER:
		return set_container(d, arg);
	case VFIO_GROUP_UNSET_CONTAINER:
		return model_group_unset_container(d);
	case VFIO_GROUP_GET_DEVICE_FD:
		return device_fd(d, arg);
	default:
		return -ENOTTY;
	}
}

static int device_info(struct vfio_dev *v, struct vfio_device_info *i)
{
	struct vfio_dev_info info;

	if (i->argsz < offsetof(struct vfio_device_info, cap_offset))
		return -EINVAL;
	(void)v->ops->info(v, &info);
	i->flags = info.flags;
	i->num_regions = info.region_count;
	i->num_irqs = info.irq_count;
	return 0;
}

struct region_answer {
	struct vfio_region_info info;
	/* struct vfio_region_info_cap_sparse_mmap, whose array has no length */
	struct vfio_info_cap_header cap;
	uint32_t nr_areas;
	uint32_t reserved;
	struct vfio_region_sparse_mmap_area area;
};

static int region_info(struct vfio_dev *v, struct vfio_region_info *i)
{
	const uint32_t room = i->argsz, index = i->index;
	struct vfio_region r = {.index = index};

	if (room < sizeof(*i) || v->ops->region_info(v, index, &r) < 0)
		return -EINVAL;
	struct region_answer full = {
		.info = {.argsz = sizeof(full.info),
			.index = index,
			.flags = r.flags,
			.size = r.size,
			.offset = (uint64_t)index << REGION_SHIFT},
		.cap = {.id = VFIO_REGION_INFO_CAP_SPARSE_MMAP, .version = 1},
		.nr_areas = 1,
		.area = {.offset = r.areas[0].off, .size = r.areas[0].size},
	};
	if (r.flags & VFIO_REGION_INFO_FLAG_CAPS) {
		full.info.argsz = sizeof(full);
		full.info.cap_offset = offsetof(struct region_answer, cap);
	}
	if (room < full.info.argsz)
		full.info.cap_offset = 0;
	memcpy(i, &full, min_u64(room, full.info.argsz));
	return 0;
}

static int irq_info(struct vfio_dev *v, struct vfio_irq_info *i)
{
	struct vfio_irqs q;

	if (i->argsz < sizeof(*i) || v->ops->irq_info(v, i->index, &q) < 0)
		return -EINVAL;
	i->count = q.count;
	i->flags = q.flags;
	return 0;
}

static int check_irq_set(const struct vfio_irq_set *s)
{
	const uint32_t all = VFIO_IRQ_SET_DATA_TYPE_MASK | VFIO_IRQ_SET_ACTION_TYPE_MASK;
	const uint32_t data = s->flags & VFIO_IRQ_SET_DATA_TYPE_MASK;

	if (s->argsz < sizeof(*s) || s->index >= MODEL_KINDS || s->flags & ~all)
		return -EINVAL;
	if (data != VFIO_IRQ_SET_DATA_NONE && data != VFIO_IRQ_SET_DATA_EVENTFD)
		return -EINVAL;
	const uint64_t size = data == VFIO_IRQ_SET_DATA_NONE ? 0 : sizeof(int32_t);
	return s->argsz - sizeof(*s) < s->count * size ? -EINVAL : 0;
}

static int irq_fds(struct vfio_dev *v, const struct vfio_irq_set *s)
{
	int fds[64];

	if (s->count > COUNT(fds))
		return -EINVAL;
	memcpy(fds, s->data, s->count * sizeof(fds[0]));
	switch (s->flags & VFIO_IRQ_SET_ACTION_TYPE_MASK) {
	case VFIO_IRQ_SET_ACTION_TRIGGER:
		return v->ops->irq_set(v, s->index, s->start, fds, s->count);
	case VFIO_IRQ_SET_ACTION_UNMASK:
		return v->ops->irq_unmask_fd(v, s->index, fds[0]);
	default:
		return -ENOTTY;
	}
}

static int set_irqs(struct vfio_dev *v, const struct vfio_irq_set *s)
{
	int r = check_irq_set(s);

	if (r < 0)
		return r;
	if (s->flags & VFIO_IRQ_SET_DATA_EVENTFD)
		return irq_fds(v, s);
	switch (s->flags & VFIO_IRQ_SET_ACTION_TYPE_MASK) {
	case VFIO_IRQ_SET_ACTION_TRIGGER:
		return v->ops->irq_act(
			v, s->index, s->count ? VFIO_IRQ_FIRE : VFIO_IRQ_OFF, s->start, s->count);
	case VFIO_IRQ_SET_ACTION_MASK:
		return v->ops->irq_act(v, s->index, VFIO_IRQ_MASK, s->start, s->count);
	case VFIO_IRQ_SET_ACTION_UNMASK:
		return v->ops->irq_act(v, s->index, VFIO_IRQ_UNMASK, s->start, s->count);
	default:
		return -ENOTTY;
	}
}

static int hot_reset_info(struct vfio_dev *v, struct vfio_pci_hot_reset_info *i)
{
	struct vfio_dependent *list = NULL;

	if (i->argsz < sizeof(*i))
		return -EINVAL;
	int count = v->ops->dependents(v, &list);
	if (count < 0)
		return count;
	i->flags = 0;
	i->count = (uint32_t)count;
	int r = i->argsz < sizeof(*i) + i->count * sizeof(i->devices[0]) ? -ENOSPC : 0;
	for (uint32_t k = 0; k < i->count && r == 0; k++)
		i->devices[k] =
			(struct vfio_pci_dependent_device){.group_id = (uint32_t)list[k].group,
				.segment = (uint16_t)list[k].address.domain,
				.bus = (uint8_t)list[k].address.bus,
				.devfn = (uint8_t)(list[k].address.dev << 3 | list[k].address.fn)};
	free(list);
	return r;
}

static int hot_reset(struct vfio_dev *v, const struct vfio_pci_hot_reset *h)
{
	int fds[64];

	if (h->argsz < offsetof(struct vfio_pci_hot_reset, group_fds) || h->flags)
		return -EINVAL;
	if (h->count > COUNT(fds))
		return -EINVAL;
	memcpy(fds, h->group_fds, h->count * sizeof(fds[0]));
	return v->ops->reset_bus(v, fds, h->count);
}

static int feature(struct vfio_dev *v, struct vfio_device_feature *f)
{
	if (f->argsz < sizeof(*f))
		return -EINVAL;
	return v->ops->feature(v, f->flags, f->data, f->argsz - sizeof(*f));
}

static int device_ioctl(struct vfio_dev *v, unsigned long request, void *arg)
{
	switch (request) {
	case VFIO_DEVICE_GET_INFO:
		return device_info(v, arg);
	case VFIO_DEVICE_GET_REGION_INFO:
		return region_info(v, arg);
	case VFIO_DEVICE_GET_IRQ_INFO:
		return irq_info(v, arg);
	case VFIO_DEVICE_SET_IRQS:
		return set_irqs(v, arg);
	case VFIO_DEVICE_RESET:
		return v->ops->reset(v);
	case VFIO_DEVICE_GET_PCI_HOT_RESET_INFO:
		return hot_reset_info(v, arg);
	case VFIO_DEVICE_PCI_HOT_RESET:
		return hot_reset(v, arg);
	case VFIO_DEVICE_FEATURE:
		return feature(v, arg);
	default:
		return -ENOTTY;
	}
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	struct model_file *f = file_of(fd);
	struct vfio_dev v = device_of(f);
	va_list ap;

	va_start(ap, request);
	void *arg = va_arg(ap, void *);
	va_end(ap);
	switch (f->kind) {
	case CONTAINER:
		return answer(container_ioctl(f->container, request, arg));
	case GROUP:
		return answer(group_ioctl(f->device, request, arg));
	case DEVICE:
		return answer(device_ioctl(&v, request, arg));
	case OTHER:
	default:
		return __real_ioctl(fd, request, arg);
	}
}

ssize_t __wrap_pread64(int fd, void *buf, size_t len, off_t off)
{
	const struct model_file *f = file_of(fd);
	struct vfio_dev v = device_of(f);
	const struct vfio_region r = {.index = (uint32_t)(off >> REGION_SHIFT)};

	if (f->kind != DEVICE)
		return __real_pread64(fd, buf, len, off);
	return answer((int)v.ops->read(&v, &r, (uint64_t)off & REGION_MASK, buf, len));
}

ssize_t __wrap_pwrite64(int fd, const void *buf, size_t len, off_t off)
{
	const struct model_file *f = file_of(fd);
	struct vfio_dev v = device_of(f);
	const struct vfio_region r = {.index = (uint32_t)(off >> REGION_SHIFT)};

	if (f->kind != DEVICE)
		return __real_pwrite64(fd, buf, len, off);
	return answer((int)v.ops->write(&v, &r, (uint64_t)off & REGION_MASK, buf, len));
}

void *__wrap_mmap64(void *at, size_t len, int prot, int flags, int fd, off_t off)
{
	const struct model_file *f = file_of(fd);
	struct vfio_dev v = device_of(f);
	const struct vfio_region r = {.index = (uint32_t)(off >> REGION_SHIFT)};
	void *p = NULL;

	if (f->kind != DEVICE)
		return __real_mmap64(at, len, prot, flags, fd, off);
	int code = flags & MAP_SHARED
			   ? v.ops->map(&v, &r, (uint64_t)off & REGION_MASK, len, prot, at, &p)
			   : -EINVAL;
	if (code < 0) {
		errno = -code;
		return MAP_FAILED;
	}
	return p;
}

int __wrap_close(int fd)
{
	struct model_file *f = file_of(fd), old = *f;

	*f = (struct model_file){.kind = OTHER};
	if (old.kind == CONTAINER)
		model_container_close(old.container);
	else if (old.kind == GROUP)
		model_group_close(old.device);
	else if (old.kind == DEVICE)
		model_device_close(old.device);
	return __real_close(fd);
}
