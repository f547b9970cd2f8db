/* SPDX-License-Identifier: MIT */
/*
 * Buses of models: which functions a hot reset hits, and the check that the caller owns their
 * groups.
 */
#include "base/num.h"
#include "model/host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#define DOMAIN 0xffff /* no machine has it */
#define SLOTS 32

static bool is_taken(unsigned bus, unsigned slot)
{
	for (const struct usher_model_device *d = model_plugged(); d; d = d->next)
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
	model_lock();
	while (slot < SLOTS && is_taken((unsigned)bus, slot))
		slot++;
	if (slot < SLOTS) {
		d->bus = (unsigned)bus;
		d->slot = slot;
	}
	model_unlock();
	return slot < SLOTS ? 0 : -ENOSPC;
}

static unsigned count_hit(const struct usher_model_device *d)
{
	unsigned n = 0;

	for (const struct usher_model_device *o = model_plugged(); o; o = o->next)
		n += o->bus == d->bus;
	return n;
}

int model_bus_dependents(struct usher_model_device *d, struct vfio_dependent **ret)
{
	if (!d->bus)
		return -ENODEV; /* a root bus, which cannot be reset */
	model_lock();
	const unsigned count = count_hit(d);
	struct vfio_dependent *list = calloc(count, sizeof(*list));
	unsigned at = 0;
	for (const struct usher_model_device *o = model_plugged(); list && o; o = o->next)
		if (o->bus == d->bus)
			list[at++] = (struct vfio_dependent){.group = o->group,
				.address = {.domain = DOMAIN,
					.bus = (uint8_t)o->bus,
					.dev = (uint8_t)o->slot}};
	model_unlock();
	*ret = list;
	return list ? (int)count : -ENOMEM;
}

static bool is_group(int fd)
{
	for (const struct usher_model_device *o = model_plugged(); o; o = o->next)
		if (o->group_open && o->group_fd == fd)
			return true;
	return false;
}

static bool is_proven(const struct usher_model_device *o, const int *groups, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (o->group_open && groups[i] == o->group_fd)
			return true;
	return false;
}

/* In the kernel's order: the count, each descriptor, then whether a group is missing. */
static int check_groups(const struct usher_model_device *d, const int *groups, size_t count)
{
	if (!count || count > count_hit(d))
		return -EINVAL;
	for (size_t i = 0; i < count; i++) {
		if (fcntl(groups[i], F_GETFD) < 0)
			return -EBADF;
		if (!is_group(groups[i]))
			return -EINVAL;
	}
	for (const struct usher_model_device *o = model_plugged(); o; o = o->next)
		if (o->bus == d->bus && !is_proven(o, groups, count))
			return -EINVAL;
	return 0;
}

int model_bus_reset(struct usher_model_device *d, const int *groups, size_t count)
{
	if (!d->bus)
		return -ENODEV;
	model_lock();
	int r = check_groups(d, groups, count);
	for (struct usher_model_device *o = r ? NULL : model_plugged(); o; o = o->next)
		if (o->bus == d->bus && !o->gone)
			model_device_reset(o);
	model_unlock();
	return r;
}
