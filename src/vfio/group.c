/* SPDX-License-Identifier: MIT */
#include "vfio/group.h"

#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/num.h"
#include "host/host.h"
#include "vfio/container.h"
#include "vfio/device.h"
#include "vfio/explain.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/vfio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static int kernel_call(struct vfio_group *g, unsigned long request, void *arg)
{
	int r = ioctl(g->fd, request, arg);

	return r < 0 ? -errno : r;
}

static int kernel_device(struct vfio_group *g, int fd, struct vfio_dev *ret, struct err *e)
{
	(void)g;
	return vfio_dev_from_fd(fd, ret, e);
}

static const struct vfio_group_ops kernel_ops = {.call = kernel_call, .device = kernel_device};

static int explain_open(struct host *h, int number, const char *path, int code, struct err *e)
{
	struct stat st;

	switch (code) {
	case -EBUSY:
		if (stat(path, &st))
			st.st_rdev = 0;
		return vfio_explain_busy(h, number, st.st_rdev, e);
	case -ENOENT:
		(void)err_say(e, code, "no device of IOMMU group %d is on vfio-pci", number);
		err_hint(e, "usher bind ADDRESS");
		return code;
	case -EACCES:
		(void)err_set(e, code, "open %s", path);
		err_hint(e, "run as root, or give the node to this user: chown USER %s", path);
		return code;
	default:
		return err_set(e, code, "open %s", path);
	}
}

int vfio_group_open(struct host *h, int number, struct vfio_group *ret, struct err *e)
{
	char path[32];
	int r = file_path(path, sizeof(path), "/dev/vfio/%d", number);

	if (r < 0)
		return err_set(e, r, "name IOMMU group %d", number);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return explain_open(h, number, path, -errno, e);
	*ret = (struct vfio_group){.ops = &kernel_ops, .fd = fd, .number = number};
	return 0;
}

/* A group's ioctls do not tell its number; its node's name in sysfs is the number. */
static int number_of(struct host *h, int fd)
{
	char path[48], name[16];
	struct stat st;
	uint64_t n;

	if (!h || fstat(fd, &st) || !S_ISCHR(st.st_mode) ||
		file_path(path, sizeof(path), "/sys/dev/char/%u:%u", major(st.st_rdev),
			minor(st.st_rdev)) < 0 ||
		host_link_name(h, path, name, sizeof(name)) < 0 ||
		num_parse(name, 10, INT_MAX, &n) < 0)
		return -1;
	return (int)n;
}

int vfio_group_from_fd(struct host *h, int fd, struct vfio_group *ret, struct err *e)
{
	struct vfio_group g = {.ops = &kernel_ops, .fd = fd, .number = -1};
	int r = vfio_group_viable(&g);

	if (r < 0)
		return err_set(e, r, "descriptor %d is not a VFIO group", fd);
	g.number = number_of(h, fd);
	*ret = g;
	return 0;
}

void vfio_group_close(struct vfio_group *g)
{
	if (g->ops && g->ops->close)
		g->ops->close(g);
	fd_close(&g->fd);
}

int vfio_group_viable(struct vfio_group *g)
{
	struct vfio_group_status s = {.argsz = sizeof(s)};

	int r = g->ops->call(g, VFIO_GROUP_GET_STATUS, &s);

	if (r < 0)
		return r;
	return !!(s.flags & VFIO_GROUP_FLAGS_VIABLE);
}

int vfio_group_set_container(
	struct vfio_group *g, struct vfio_container *c, struct host *h, struct err *e)
{
	int viable = vfio_group_viable(g);

	if (viable < 0)
		return err_set(e, viable, "ask for the state of IOMMU group %d", g->number);
	if (!viable)
		return vfio_explain_not_viable(h, g->number, e);
	/* A pointer to the descriptor, not the descriptor. */
	int r = g->ops->call(g, VFIO_GROUP_SET_CONTAINER, &c->fd);
	if (r >= 0)
		return 0;
	/* A member may have been bound since the question. */
	if (r == -EPERM)
		return vfio_explain_not_viable(h, g->number, e);
	return err_set(e, r, "put IOMMU group %d into the container", g->number);
}

int vfio_group_unset_container(struct vfio_group *g, struct err *e)
{
	int r = g->ops->call(g, VFIO_GROUP_UNSET_CONTAINER, NULL);

	if (r < 0)
		return err_set(e, r, "take IOMMU group %d out of its container", g->number);
	return 0;
}
