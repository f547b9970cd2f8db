/* SPDX-License-Identifier: MIT */
/*
 * The groups of models, one for each device: the kernel's steps with a group.
 *
 * How it works. A device belongs to one thread, but other threads walk all plugged devices
 * (model_find_inside(), bus resets). So what they read, group_open and container, changes under
 * model_lock() only.
 */
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
	struct model_container *c = model_container_get(fd);
	if (!c)
		return -EBADFD;
	model_lock();
	d->container = c;
	model_unlock();
	return 0;
}

/* The group leaves its container. */
static void container_leave(struct usher_model_device *d)
{
	struct model_container *c = d->container;

	model_lock();
	d->container = NULL;
	model_unlock();
	model_container_put_group(c);
}

int model_group_unset_container(struct usher_model_device *d)
{
	if (!d->container)
		return -EINVAL;
	if (d->open)
		return -EBUSY;
	container_leave(d);
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
	model_lock();
	d->group_open = false;
	model_unlock();
	(void)model_group_unset_container(d); /* an open device keeps it */
}

int model_group_open(struct usher_model_device *d)
{
	if (d->group_open || d->open)
		return -EBUSY;
	int fd = eventfd(0, EFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	model_lock();
	d->group_open = true;
	d->group_fd = fd;
	model_unlock();
	return fd;
}
