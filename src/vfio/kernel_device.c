/* SPDX-License-Identifier: MIT */
/*
 * A device by its VFIO descriptor.
 *
 * How it works. Each verb is one ioctl of linux/vfio.h. The kernel may answer with more than this
 * header knows: a structure is asked for twice, first for its size, and its capability chain is
 * walked with bounds (vfio/cap.h). A sparse area that overlaps or leaves its region is dropped,
 * because a region that is not mapped can still be trapped.
 */
#include "vfio/kernel_device.h"

#include "base/clean.h"
#include "base/fd.h"
#include "base/num.h"
#include "vfio/cap.h"
#include "vfio/feature.h"
#include "vfio/hotreset.h"
#include "vfio/irq.h"
#include "vfio/region.h"

#include <errno.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define REGION_SIZE_MAX KIB(64) /* of an answer; no kernel gives a larger one */
#define DEPENDENTS_TRIES 4 /* a function may be plugged in between two questions */

/* Newer than Debian 12's headers: what follows the structure, and one of its capabilities. */
#define INFO_FLAG_CAPS (1u << 7)
#define INFO_CAP_ATOMIC 5
#define INFO_ROOM 512

struct atomic_cap {
	struct vfio_info_cap_header header;
	uint32_t flags;
};

union info_answer {
	struct vfio_device_info info;
	struct {
		uint32_t argsz, flags, num_regions, num_irqs, cap_offset, pad;
	} v;
	uint64_t room[INFO_ROOM / sizeof(uint64_t)];
};

/* ioctl(2) as 0 or more, or -errno. */
static int device_call(const struct vfio_dev *d, unsigned long request, void *arg)
{
	int r = ioctl(d->fd, request, arg);

	return r < 0 ? -errno : r;
}

static unsigned info_atomics(const union info_answer *u)
{
	const struct vfio_info_cap_header *cap = NULL;
	size_t size = min_u64(u->info.argsz, sizeof(*u));

	if (!(u->info.flags & INFO_FLAG_CAPS))
		return 0;
	while ((cap = vfio_cap_next(u, size, u->v.cap_offset, cap)))
		if (cap->id == INFO_CAP_ATOMIC &&
			vfio_cap_room(u, size, cap) >= sizeof(struct atomic_cap))
			return ((const struct atomic_cap *)(const void *)cap)->flags & 7;
	return 0;
}

static int kernel_info(struct vfio_dev *d, struct vfio_dev_info *ret)
{
	union info_answer u = {.info.argsz = sizeof(u)};
	int r = device_call(d, VFIO_DEVICE_GET_INFO, &u);

	if (r < 0)
		return r;
	*ret = (struct vfio_dev_info){.flags = u.info.flags,
		.region_count = u.info.num_regions,
		.irq_count = u.info.num_irqs,
		.atomics = info_atomics(&u)};
	return 0;
}

/* Areas that overlap or leave the region are dropped; then they are trapped, which always works. */
static void region_take_areas(
	const struct vfio_region_info_cap_sparse_mmap *cap, size_t room, struct vfio_region *ret)
{
	size_t fit = (room - sizeof(*cap)) / sizeof(cap->areas[0]);
	size_t count = min_u64(cap->nr_areas, fit);
	uint64_t end = 0;

	ret->area_count = 0;
	for (size_t i = 0; i < count && ret->area_count < VFIO_AREAS_MAX; i++) {
		uint64_t off = cap->areas[i].offset, size = cap->areas[i].size;
		if (!size || off < end || !range_ok(off, size, ret->size))
			continue;
		ret->areas[ret->area_count++] = (struct vfio_area){.off = off, .size = size};
		end = off + size;
	}
}

static void region_take_caps(
	const struct vfio_region_info *info, size_t size, struct vfio_region *ret)
{
	const struct vfio_info_cap_header *h = NULL;

	while ((h = vfio_cap_next(info, size, info->cap_offset, h))) {
		size_t room = vfio_cap_room(info, size, h);
		const void *cap = h;
		if (h->id == VFIO_REGION_INFO_CAP_MSIX_MAPPABLE)
			ret->msix_mappable = true;
		if (h->id == VFIO_REGION_INFO_CAP_SPARSE_MMAP && ret->area_count &&
			room >= sizeof(struct vfio_region_info_cap_sparse_mmap))
			region_take_areas(cap, room, ret);
		if (h->id == VFIO_REGION_INFO_CAP_TYPE &&
			room >= sizeof(struct vfio_region_info_cap_type)) {
			ret->type = ((const struct vfio_region_info_cap_type *)cap)->type;
			ret->subtype = ((const struct vfio_region_info_cap_type *)cap)->subtype;
		}
	}
}

static int kernel_region_info(struct vfio_dev *d, uint32_t index, struct vfio_region *ret)
{
	struct vfio_region_info head = {.argsz = sizeof(head), .index = index};
	int r = device_call(d, VFIO_DEVICE_GET_REGION_INFO, &head);

	if (r < 0)
		return r;
	size_t size = min_u64(max_u64(head.argsz, sizeof(head)), REGION_SIZE_MAX);
	cleanup_free struct vfio_region_info *info = calloc(1, size);
	if (!info)
		return -ENOMEM;
	info->argsz = (uint32_t)size;
	info->index = index;
	r = device_call(d, VFIO_DEVICE_GET_REGION_INFO, info);
	if (r < 0)
		return r; /* NOLINT(clang-analyzer-unix.Malloc): cleanup_free */
	ret->flags = info->flags;
	ret->size = info->size;
	ret->offset = info->offset;
	if ((info->flags & VFIO_REGION_INFO_FLAG_MMAP) && info->size)
		ret->areas[ret->area_count++] = (struct vfio_area){.off = 0, .size = info->size};
	if (info->flags & VFIO_REGION_INFO_FLAG_CAPS)
		region_take_caps(info, size, ret);
	return 0;
}

static ssize_t kernel_read(
	struct vfio_dev *d, const struct vfio_region *r, uint64_t off, void *buf, size_t len)
{
	ssize_t done = pread(d->fd, buf, len, (off_t)(r->offset + off));

	return done < 0 ? -errno : done;
}

static ssize_t kernel_write(
	struct vfio_dev *d, const struct vfio_region *r, uint64_t off, const void *buf, size_t len)
{
	ssize_t done = pwrite(d->fd, buf, len, (off_t)(r->offset + off));

	return done < 0 ? -errno : done;
}

static int kernel_map(struct vfio_dev *d, const struct vfio_region *r, uint64_t off, size_t len,
	int prot, void *at, void **ret)
{
	/* The kernel takes MAP_SHARED only. */
	void *p = mmap(
		at, len, prot, MAP_SHARED | (at ? MAP_FIXED : 0), d->fd, (off_t)(r->offset + off));

	if (p == MAP_FAILED)
		return -errno;
	*ret = p;
	return 0;
}

static int kernel_ioeventfd(struct vfio_dev *d, const struct vfio_region *r, uint64_t off,
	unsigned size, uint64_t value, int fd)
{
	struct vfio_device_ioeventfd io = {
		.argsz = sizeof(io),
		.flags = size, /* VFIO_DEVICE_IOEVENTFD_8 … _64 are the sizes themselves */
		.offset = r->offset + off,
		.data = value,
		.fd = fd,
	};

	return device_call(d, VFIO_DEVICE_IOEVENTFD, &io);
}

static int kernel_irq_info(struct vfio_dev *d, uint32_t index, struct vfio_irqs *ret)
{
	struct vfio_irq_info info = {.argsz = sizeof(info), .index = index};
	int r = device_call(d, VFIO_DEVICE_GET_IRQ_INFO, &info);

	if (r < 0)
		return r;
	*ret = (struct vfio_irqs){.index = index, .flags = info.flags, .count = info.count};
	return 0;
}

static int kernel_irq_set(
	struct vfio_dev *d, uint32_t index, uint32_t start, const int *fds, uint32_t count)
{
	_Alignas(struct vfio_irq_set)
		uint8_t buf[sizeof(struct vfio_irq_set) + VFIO_VECTORS_MAX * sizeof(int32_t)];
	struct vfio_irq_set *set = (void *)buf;

	*set = (struct vfio_irq_set){
		.argsz = (uint32_t)(sizeof(*set) + count * sizeof(int32_t)),
		.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = index,
		.start = start,
		.count = count,
	};
	memcpy(set->data, fds, count * sizeof(int32_t));
	return device_call(d, VFIO_DEVICE_SET_IRQS, set);
}

static int kernel_irq_act(
	struct vfio_dev *d, uint32_t index, enum vfio_irq_act act, uint32_t start, uint32_t count)
{
	static const uint32_t actions[] = {
		[VFIO_IRQ_FIRE] = VFIO_IRQ_SET_ACTION_TRIGGER,
		[VFIO_IRQ_MASK] = VFIO_IRQ_SET_ACTION_MASK,
		[VFIO_IRQ_UNMASK] = VFIO_IRQ_SET_ACTION_UNMASK,
		[VFIO_IRQ_OFF] = VFIO_IRQ_SET_ACTION_TRIGGER, /* of no vectors */
	};
	struct vfio_irq_set set = {
		.argsz = sizeof(set),
		.flags = VFIO_IRQ_SET_DATA_NONE | actions[act],
		.index = index,
		.start = start,
		.count = act == VFIO_IRQ_OFF ? 0 : count,
	};

	return device_call(d, VFIO_DEVICE_SET_IRQS, &set);
}

static int kernel_irq_unmask_fd(struct vfio_dev *d, uint32_t index, int fd)
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
	return device_call(d, VFIO_DEVICE_SET_IRQS, set);
}

static int kernel_reset(struct vfio_dev *d)
{
	return device_call(d, VFIO_DEVICE_RESET, NULL);
}

/* The kernel says -ENOSPC and the count until the buffer holds all functions. */
static int dependents_ask(struct vfio_dev *d, struct vfio_pci_hot_reset_info **ret)
{
	uint32_t count = 0;
	int r = -ENOSPC;

	for (unsigned i = 0; i < DEPENDENTS_TRIES && r == -ENOSPC; i++) {
		size_t size = sizeof(**ret) + count * sizeof((*ret)->devices[0]);
		cleanup_free struct vfio_pci_hot_reset_info *info = calloc(1, size);
		if (!info)
			return -ENOMEM;
		info->argsz = (uint32_t)size;
		r = device_call(d, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, info);
		if (r >= 0 && info->count > count)
			r = -EPROTO;
		count = info->count;
		if (count > UINT16_MAX)
			return -EPROTO; /* NOLINT(clang-analyzer-unix.Malloc): cleanup_free */
		if (r >= 0)
			*ret = TAKE_PTR(info);
	}
	return r;
}

static int kernel_dependents(struct vfio_dev *d, struct vfio_dependent **ret)
{
	cleanup_free struct vfio_pci_hot_reset_info *info = NULL;
	int r = dependents_ask(d, &info);

	if (r < 0)
		return r;
	struct vfio_dependent *list = calloc(info->count + 1, sizeof(*list));
	if (!list)
		return -ENOMEM; /* NOLINT(clang-analyzer-unix.Malloc): cleanup_free */
	for (uint32_t i = 0; i < info->count; i++) {
		const struct vfio_pci_dependent_device *p = &info->devices[i];
		list[i].group = (int)p->group_id;
		list[i].address = (struct pci_address){.domain = p->segment,
			.bus = p->bus,
			.dev = (uint8_t)(p->devfn >> 3),
			.fn = p->devfn & 7};
	}
	*ret = list;
	return (int)info->count;
}

static int kernel_reset_bus(struct vfio_dev *d, const int *groups, size_t count)
{
	_Alignas(struct vfio_pci_hot_reset) uint8_t
		buf[sizeof(struct vfio_pci_hot_reset) + VFIO_HOTRESET_GROUPS_MAX * sizeof(int32_t)];
	struct vfio_pci_hot_reset *reset = (void *)buf;

	*reset = (struct vfio_pci_hot_reset){
		.argsz = (uint32_t)(sizeof(*reset) + count * sizeof(int32_t)),
		.count = (uint32_t)count,
	};
	memcpy(reset->group_fds, groups, count * sizeof(int32_t));
	return device_call(d, VFIO_DEVICE_PCI_HOT_RESET, reset);
}

static int kernel_feature(struct vfio_dev *d, uint32_t flags, void *data, size_t size)
{
	_Alignas(uint64_t)
		uint8_t buf[sizeof(struct vfio_device_feature) + VFIO_FEATURE_SIZE_MAX] = {0};
	struct vfio_device_feature *f = (void *)buf;

	f->argsz = (uint32_t)(sizeof(*f) + size);
	f->flags = flags;
	if (size)
		memcpy(f->data, data, size);
	int r = device_call(d, VFIO_DEVICE_FEATURE, f);
	if (r < 0)
		return r;
	if (size)
		memcpy(data, f->data, size);
	return 0;
}

static void kernel_close(struct vfio_dev *d)
{
	fd_close(&d->fd);
}

const struct vfio_dev_ops vfio_kernel_device = {
	.info = kernel_info,
	.region_info = kernel_region_info,
	.read = kernel_read,
	.write = kernel_write,
	.map = kernel_map,
	.ioeventfd = kernel_ioeventfd,
	.irq_info = kernel_irq_info,
	.irq_set = kernel_irq_set,
	.irq_act = kernel_irq_act,
	.irq_unmask_fd = kernel_irq_unmask_fd,
	.reset = kernel_reset,
	.dependents = kernel_dependents,
	.reset_bus = kernel_reset_bus,
	.feature = kernel_feature,
	.close = kernel_close,
};
