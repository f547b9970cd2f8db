/* SPDX-License-Identifier: MIT */
/* The groups of models, one for each device: the kernel's steps with a group. */
#include "model/host.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>

int model_group_set_container(struct usher_model_device *d, int fd)
{
	if (d->container)
		return -EINVAL;
	if (fd < 0)
		return -EBADF;
	d->container = model_container_get(fd);
	return d->container ? 0 : -EBADFD;
}

int model_group_unset_container(struct usher_model_device *d)
{
	if (!d->container)
		return -EINVAL;
	if (d->open)
		return -EBUSY;
	model_container_put_group(d->container);
	d->container = NULL;
	return 0;
}

int model_group_device(struct usher_model_device *d, const char *name)
{
	if (!d->container || !model_container_ready(d->container))
		return -EINVAL;
	/* A token follows a blank; this is not a virtual function. */
	if (strchr(name, ' '))
		return strncmp(name, d->name, strlen(d->name)) ? -ENODEV : -EINVAL;
	if (strcmp(name, d->name) != 0 || d->gone)
		return -ENODEV;
	return model_device_open(d);
}

void model_group_close(struct usher_model_device *d)
{
	d->group_open = false;
	(void)model_group_unset_container(d); /* an open device keeps it */
}

int model_group_open(struct usher_model_device *d)
{
	if (d->group_open || d->open)
		return -EBUSY;
	int fd = eventfd(0, EFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	d->group_open = true;
	d->group_fd = fd;
	return fd;
}
