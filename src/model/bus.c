/* SPDX-License-Identifier: MIT */
/* Buses of models: what a hot reset hits, and the proof of ownership that the kernel wants for it. */
#include "base/num.h"
#include "model/host.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>

#define DOMAIN 0xffff /* no machine's */
#define SLOTS 32

/* Devices of all spaces, which belong to several threads. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct usher_model_device *plugged;

static bool is_taken(unsigned bus, unsigned slot)
{
	for (const struct usher_model_device *d = plugged; d; d = d->next)
		if (d->bus == bus && d->slot == slot)
			return true;
	return false;
}

int model_bus_join(struct usher_model_device *d, const char *arguments)
{
	uint64_t bus = 0;
	unsigned slot = 0;
	int r = model_argument_number(arguments, "bus", 1, UINT8_MAX, &bus);

	if (r < 0 || !bus)
		return r;
	(void)pthread_mutex_lock(&lock);
	while (slot < SLOTS && is_taken((unsigned)bus, slot))
		slot++;
	if (slot < SLOTS) {
		d->bus = (unsigned)bus;
		d->slot = slot;
		d->next = plugged;
		plugged = d;
	}
	(void)pthread_mutex_unlock(&lock);
	return slot < SLOTS ? 0 : -ENOSPC;
}

void model_bus_leave(struct usher_model_device *d)
{
	struct usher_model_device **at = &plugged;

	(void)pthread_mutex_lock(&lock);
	while (*at && *at != d)
		at = &(*at)->next;
	if (*at)
		*at = d->next;
	(void)pthread_mutex_unlock(&lock);
}

static unsigned count_hit(const struct usher_model_device *d)
{
	unsigned n = 0;

	for (const struct usher_model_device *o = plugged; o; o = o->next)
		n += o->bus == d->bus;
	return n;
}

static int info(const struct usher_model_device *d, struct vfio_pci_hot_reset_info *i)
{
	const unsigned n = count_hit(d);
	unsigned at = 0;

	i->flags = 0;
	i->count = n;
	if (i->argsz < sizeof(*i) + n * sizeof(i->devices[0]))
		return -ENOSPC;
	for (const struct usher_model_device *o = plugged; o; o = o->next)
		if (o->bus == d->bus)
			i->devices[at++] =
				(struct vfio_pci_dependent_device){.group_id = (uint32_t)o->group,
					.segment = DOMAIN,
					.bus = (uint8_t)o->bus,
					.devfn = (uint8_t)(o->slot << 3)};
	return 0;
}

int model_hot_reset_info(struct usher_model_device *d, struct vfio_pci_hot_reset_info *i)
{
	if (i->argsz < sizeof(*i))
		return -EINVAL;
	if (!d->bus)
		return -ENODEV; /* a root bus, which cannot be reset */
	(void)pthread_mutex_lock(&lock);
	int r = info(d, i);
	(void)pthread_mutex_unlock(&lock);
	return r;
}

static bool is_group(int fd)
{
	for (const struct usher_model_device *o = plugged; o; o = o->next)
		if (o->group_open && o->group_fd == fd)
			return true;
	return false;
}

static bool is_proven(const struct usher_model_device *o, const struct vfio_pci_hot_reset *h)
{
	for (uint32_t i = 0; i < h->count; i++)
		if (o->group_open && h->group_fds[i] == o->group_fd)
			return true;
	return false;
}

/* In the kernel's order: the count, each descriptor, then whether a group is missing. */
static int check(const struct usher_model_device *d, const struct vfio_pci_hot_reset *h)
{
	if (!h->count || h->count > count_hit(d))
		return -EINVAL;
	for (uint32_t i = 0; i < h->count; i++) {
		if (fcntl(h->group_fds[i], F_GETFD) < 0)
			return -EBADF;
		if (!is_group(h->group_fds[i]))
			return -EINVAL;
	}
	for (const struct usher_model_device *o = plugged; o; o = o->next)
		if (o->bus == d->bus && !is_proven(o, h))
			return -EINVAL;
	return 0;
}

int model_hot_reset(struct usher_model_device *d, const struct vfio_pci_hot_reset *h)
{
	if (h->argsz < offsetof(struct vfio_pci_hot_reset, group_fds) || h->flags)
		return -EINVAL;
	if (!d->bus)
		return -ENODEV;
	(void)pthread_mutex_lock(&lock);
	int r = check(d, h);
	for (struct usher_model_device *o = r ? NULL : plugged; o; o = o->next)
		if (o->bus == d->bus && !o->gone)
			model_device_reset(o);
	(void)pthread_mutex_unlock(&lock);
	return r;
}
