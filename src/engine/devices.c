/* SPDX-License-Identifier: MIT */
#include "engine/devices.h"

#include "base/err.h"
#include "base/fd.h"
#include "vfio/device.h"

#include <errno.h>
#include <stdlib.h>

void devices_rest(struct open_devices *d)
{
	for (size_t i = 0; i < d->device_count; i++)
		fd_close(&d->devices[i].fd);
}

void devices_close(struct open_devices *d)
{
	if (!d)
		return;
	devices_rest(d);
	for (size_t i = 0; i < d->group_count; i++)
		vfio_group_close(&d->groups[i]);
	vfio_container_close(&d->container);
	free(d);
}

static int open_groups(const struct bind_env *env, const struct bind_plan *plan,
	struct open_devices *d, struct err *e)
{
	for (size_t i = 0; i < plan->group_count; i++) {
		struct vfio_group *g = &d->groups[i];
		int r = vfio_group_open(env->host, plan->groups[i].number, g, e);
		if (r < 0)
			return r;
		d->group_count++;
		r = vfio_group_set_container(g, &d->container, env->host, e);
		if (r < 0)
			return r;
	}
	/* Only with a group inside does a container let its IOMMU be chosen. */
	return vfio_container_set_iommu(&d->container, e);
}

static struct vfio_group *group_of(
	struct open_devices *d, const struct bind_plan *plan, struct pci_address a)
{
	for (size_t i = 0; i < plan->group_count; i++) {
		for (size_t m = 0; m < plan->groups[i].count; m++) {
			if (pci_address_equal(plan->groups[i].members[m].device.address, a))
				return &d->groups[i];
		}
	}
	return NULL;
}

static int open_device(
	struct open_devices *d, const struct bind_plan *plan, struct pci_address a, struct err *e)
{
	char name[PCI_ADDRESS_TEXT];
	struct vfio_group *g = group_of(d, plan, a);

	(void)pci_address_format(a, name);
	if (!g)
		return err_say(e, -ENODEV, "%s: not in a group that was taken", name);
	int fd = vfio_group_device_fd(g, name, e);
	if (fd < 0)
		return fd;
	d->devices[d->device_count].address = a;
	d->devices[d->device_count].fd = fd;
	d->devices[d->device_count].group_fd = g->fd;
	d->devices[d->device_count].group = g->number;
	d->device_count++;
	return 0;
}

static int open_all(const struct bind_env *env, const struct guest_spec *s,
	const struct bind_plan *plan, struct open_devices *d, struct err *e)
{
	if (plan->group_count > SPEC_DEVICES_MAX)
		return err_set(e, -E2BIG, "devices");
	int r = vfio_container_open(&d->container, e);
	if (r == 0)
		r = open_groups(env, plan, d, e);
	for (size_t i = 0; r == 0 && i < s->device_count; i++)
		r = open_device(d, plan, s->devices[i].address, e);
	return r;
}

int devices_open(const struct bind_env *env, const struct guest_spec *s,
	const struct bind_plan *groups, struct open_devices **ret, struct err *e)
{
	struct open_devices *d = calloc(1, sizeof(*d));

	if (!d)
		return err_set(e, -ENOMEM, "devices");
	d->container = VFIO_CONTAINER_NONE;
	int r = open_all(env, s, groups, d, e);
	if (r < 0) {
		devices_close(d);
		return r;
	}
	*ret = d;
	return 0;
}
