/* SPDX-License-Identifier: MIT */
/* The groups of models: one for each device. */
#include "model/host.h"

#include <errno.h>
#include <linux/vfio.h>
#include <string.h>
#include <sys/eventfd.h>

static int set_container(struct usher_model_device *d, const int *fd)
{
	if (d->container)
		return -EINVAL;
	if (!fd)
		return -EFAULT;
	if (*fd < 0)
		return -EBADF;
	struct model_container *c = model_container_of(*fd);
	if (!c)
		return -EBADFD;
	c->groups++;
	d->container = c;
	return 0;
}

static int unset_container(struct usher_model_device *d)
{
	if (!d->container)
		return -EINVAL;
	if (d->open)
		return -EBUSY;
	model_container_put_group(d->container);
	d->container = NULL;
	return 0;
}

static int device_fd(struct usher_model_device *d, const char *name)
{
	if (!d->container || !d->container->has_iommu)
		return -EINVAL;
	/* A token stands behind a blank; this is not a virtual function. */
	if (strchr(name, ' '))
		return strncmp(name, d->name, strlen(d->name)) ? -ENODEV : -EINVAL;
	if (strcmp(name, d->name) != 0 || d->gone)
		return -ENODEV;
	return model_device_open(d);
}

static int group_call(struct vfio_group *g, unsigned long request, void *arg)
{
	struct usher_model_device *d = g->model;
	struct vfio_group_status *s = arg;

	switch (request) {
	case VFIO_GROUP_GET_STATUS:
		if (s->argsz < sizeof(*s))
			return -EINVAL;
		s->flags = VFIO_GROUP_FLAGS_VIABLE |
			   (d->container ? VFIO_GROUP_FLAGS_CONTAINER_SET : 0);
		return 0;
	case VFIO_GROUP_SET_CONTAINER:
		return set_container(d, arg);
	case VFIO_GROUP_UNSET_CONTAINER:
		return unset_container(d);
	case VFIO_GROUP_GET_DEVICE_FD:
		return device_fd(d, arg);
	default:
		return -ENOTTY;
	}
}

static void group_close(struct vfio_group *g)
{
	struct usher_model_device *d = g->model;

	if (!d)
		return;
	g->model = NULL;
	d->group_open = false;
	(void)unset_container(d); /* an open device keeps it */
}

static const struct vfio_group_ops ops = {
	.call = group_call, .device = model_device_from_fd, .close = group_close};

int model_group_open(struct usher_model_device *d, struct vfio_group *ret)
{
	if (d->group_open || d->open)
		return -EBUSY;
	int fd = eventfd(0, EFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	d->group_open = true;
	d->group_fd = fd;
	*ret = (struct vfio_group){.ops = &ops, .fd = fd, .number = d->group, .model = d};
	return 0;
}
