/* SPDX-License-Identifier: MIT */
#include "vfio/group.h"

#include "base/clean.h"
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

/* ioctl(2) as 0 or more, or -errno. */
static int group_call(const struct vfio_group *g, unsigned long request, void *arg)
{
	int r = ioctl(g->fd, request, arg);

	return r < 0 ? -errno : r;
}

static int explain_group_open(struct host *h, int number, const char *path, int code, struct err *e)
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
		err_hint(e, "run as root, or give the group to this user until its release: "
			    "usher bind --user USER ADDRESS");
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
		return explain_group_open(h, number, path, -errno, e);
	*ret = (struct vfio_group){.fd = fd, .number = number};
	return 0;
}

/* No ioctl of a group returns its number, but the name of its node in sysfs is the number. */
static int group_number_of(struct host *h, int fd)
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
	struct vfio_group g = {.fd = fd, .number = -1};
	int r = vfio_group_viable(&g);

	if (r < 0)
		return err_set(e, r, "descriptor %d is not a VFIO group", fd);
	g.number = group_number_of(h, fd);
	*ret = g;
	return 0;
}

void vfio_group_close(struct vfio_group *g)
{
	fd_close(&g->fd);
}

/* The kernel refuses a second opener until the last device of the group is closed. */
bool vfio_group_is_held(int number)
{
	struct vfio_group g = VFIO_GROUP_NONE;
	const int r = vfio_group_open(NULL, number, &g, NULL);

	vfio_group_close(&g);
	return r == -EBUSY;
}

/* Return: whether the kernel sets @flag of the group, -errno. */
static int group_flag(struct vfio_group *g, unsigned flag)
{
	struct vfio_group_status s = {.argsz = sizeof(s)};

	int r = group_call(g, VFIO_GROUP_GET_STATUS, &s);

	return r < 0 ? r : !!(s.flags & flag);
}

int vfio_group_viable(struct vfio_group *g)
{
	return group_flag(g, VFIO_GROUP_FLAGS_VIABLE);
}

int vfio_group_is_inside(struct vfio_group *g)
{
	return group_flag(g, VFIO_GROUP_FLAGS_CONTAINER_SET);
}

int vfio_group_set_container(
	struct vfio_group *g, const struct vfio_container *c, struct host *h, struct err *e)
{
	int viable = vfio_group_viable(g);

	if (viable < 0)
		return err_set(e, viable, "ask for the state of IOMMU group %d", g->number);
	if (!viable)
		return vfio_explain_not_viable(h, g->number, e);
	/* A pointer to the descriptor, not the descriptor. */
	int r = group_call(g, VFIO_GROUP_SET_CONTAINER, (void *)(uintptr_t)&c->fd);
	if (r >= 0)
		return 0;
	/* A host driver may have been bound to a member since the check. */
	if (r == -EPERM)
		return vfio_explain_not_viable(h, g->number, e);
	return err_set(e, r, "put IOMMU group %d into the container", g->number);
}

int vfio_group_unset_container(struct vfio_group *g, struct err *e)
{
	int r = group_call(g, VFIO_GROUP_UNSET_CONTAINER, NULL);

	if (r < 0)
		return err_set(e, r, "take IOMMU group %d out of its container", g->number);
	return 0;
}

static void hint_device_open(struct err *e, int code)
{
	switch (code) {
	case -EINVAL:
		/* Also what pci_enable_device() gives for a BAR without an address. */
		err_hint(e, "dmesg says why vfio-pci cannot enable it; or its group is in no "
			    "container yet");
		break;
	case -EACCES:
		err_hint(e, "the physical function is on vfio-pci, too: give its vf_token with the "
			    "virtual one");
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
	int fd = group_call(g, VFIO_GROUP_GET_DEVICE_FD, (void *)(uintptr_t)name);

	if (fd >= 0)
		return fd;
	(void)err_set(e, fd, "%s: open through VFIO group %d", name, g->number);
	hint_device_open(e, fd);
	return fd;
}

int vfio_group_device(struct vfio_group *g, const char *name, struct vfio_dev *ret, struct err *e)
{
	cleanup_fd int fd = vfio_group_device_fd(g, name, e);

	if (fd < 0)
		return fd;
	int r = vfio_dev_from_fd(fd, ret, e);
	if (r < 0)
		return err_in(e, r, "%s", name);
	ret->group = g->number;
	(void)TAKE_FD(fd);
	return 0;
}
