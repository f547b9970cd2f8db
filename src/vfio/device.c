/* SPDX-License-Identifier: MIT */
#include "vfio/device.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "vfio/cap.h"
#include "vfio/group.h"

#include <errno.h>
#include <linux/vfio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static int kernel_call(struct vfio_dev *d, unsigned long request, void *arg)
{
	int r = ioctl(d->fd, request, arg);

	return r < 0 ? -errno : r;
}

static ssize_t kernel_read(struct vfio_dev *d, void *buf, size_t len, uint64_t off)
{
	ssize_t n = pread(d->fd, buf, len, (off_t)off);

	return n < 0 ? -errno : n;
}

static ssize_t kernel_write(struct vfio_dev *d, const void *buf, size_t len, uint64_t off)
{
	ssize_t n = pwrite(d->fd, buf, len, (off_t)off);

	return n < 0 ? -errno : n;
}

static int kernel_map(struct vfio_dev *d, void *at, size_t len, int prot, uint64_t off, void **ret)
{
	/* The kernel takes MAP_SHARED only. */
	void *p = mmap(at, len, prot, MAP_SHARED | (at ? MAP_FIXED : 0), d->fd, (off_t)off);

	if (p == MAP_FAILED)
		return -errno;
	*ret = p;
	return 0;
}

static void kernel_close(struct vfio_dev *d)
{
	fd_close(&d->fd);
}

static const struct vfio_dev_ops kernel_ops = {
	.call = kernel_call,
	.read = kernel_read,
	.write = kernel_write,
	.map = kernel_map,
	.close = kernel_close,
};

static int learn(struct vfio_dev *d, struct err *e)
{
	struct vfio_device_info info = {.argsz = sizeof(info)};
	int r = d->ops->call(d, VFIO_DEVICE_GET_INFO, &info);

	if (r < 0)
		return err_set(e, r, "ask a VFIO device what it is");
	if (!(info.flags & VFIO_DEVICE_FLAGS_PCI))
		return err_say(e, -EINVAL, "the VFIO device is not a PCI device");
	d->flags = info.flags;
	d->region_count = info.num_regions;
	d->irq_count = info.num_irqs;
	return 0;
}

/* Not in Debian 12's headers: what follows the structure there, and one of its capabilities. */
#define INFO_FLAG_CAPS (1u << 7)
#define INFO_CAP_ATOMIC 5
#define INFO_ROOM 512

struct atomic_cap {
	struct vfio_info_cap_header header;
	uint32_t flags;
};

unsigned vfio_dev_atomics(struct vfio_dev *d)
{
	union {
		struct vfio_device_info info;
		struct {
			uint32_t argsz, flags, num_regions, num_irqs, cap_offset, pad;
		} v;
		uint64_t room[INFO_ROOM / sizeof(uint64_t)];
	} u = {.info.argsz = sizeof(u)};
	const struct vfio_info_cap_header *cap = NULL;

	if (d->ops->call(d, VFIO_DEVICE_GET_INFO, &u) < 0 || !(u.info.flags & INFO_FLAG_CAPS))
		return 0;
	size_t size = min_u64(u.info.argsz, sizeof(u));
	while ((cap = vfio_cap_next(&u, size, u.v.cap_offset, cap)))
		if (cap->id == INFO_CAP_ATOMIC &&
			vfio_cap_room(&u, size, cap) >= sizeof(struct atomic_cap))
			return ((const struct atomic_cap *)(const void *)cap)->flags & 7;
	return 0;
}

static void hint_open(struct err *e, int code)
{
	switch (code) {
	case -EINVAL:
		err_hint(e, "its group must be in a container whose IOMMU is set");
		break;
	case -EACCES:
		err_hint(e,
			"a virtual function of a physical function that VFIO holds too: it wants "
			"that one's vf_token");
		break;
	case -ENODEV:
		err_hint(e, "the device is in another group, or is being removed");
		break;
	default:
		break;
	}
}

int vfio_group_device_fd(struct vfio_group *g, const char *name, struct err *e)
{
	/* The kernel only reads the name. */
	int fd = g->ops->call(g, VFIO_GROUP_GET_DEVICE_FD, (void *)(uintptr_t)name);

	if (fd >= 0)
		return fd;
	(void)err_set(e, fd, "%s: open through VFIO group %d", name, g->number);
	hint_open(e, fd);
	return fd;
}

int vfio_dev_open(struct vfio_group *g, const char *name, struct vfio_dev *ret, struct err *e)
{
	cleanup_fd int fd = vfio_group_device_fd(g, name, e);

	if (fd < 0)
		return fd;
	int r = g->ops->device(g, fd, ret, e);
	if (r < 0)
		return err_in(e, r, "%s", name);
	(void)TAKE_FD(fd);
	return 0;
}

int vfio_dev_from_fd(int fd, struct vfio_dev *ret, struct err *e)
{
	struct vfio_dev d = {.ops = &kernel_ops, .fd = fd};
	int r = learn(&d, e);

	if (r < 0)
		return r;
	*ret = d;
	return 0;
}

int vfio_dev_from_model(
	const struct vfio_dev_ops *ops, void *model, struct vfio_dev *ret, struct err *e)
{
	struct vfio_dev d = {.ops = ops, .fd = -1, .model = model};
	int r = learn(&d, e);

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

int vfio_dev_reset(struct vfio_dev *d, struct err *e)
{
	if (!(d->flags & VFIO_DEVICE_FLAGS_RESET))
		return err_say(e, -ENOTTY, "the device has no way to be reset");
	int r = d->ops->call(d, VFIO_DEVICE_RESET, NULL);
	if (r < 0)
		return err_set(e, r, "reset the device");
	return 0;
}
