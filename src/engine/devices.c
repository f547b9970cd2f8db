/* SPDX-License-Identifier: MIT */
#include "engine/devices.h"

#include "base/err.h"
#include "bind/gate.h"
#include "vfio/group.h"
#include "vfio/type1.h"

#include <errno.h>
#include <stdlib.h>

void devices_rest(struct open_devices *d)
{
	for (size_t i = 0; i < d->device_count; i++)
		vfio_ioas_detach(&d->ioas, &d->devices[i].vfio);
}

void devices_close(struct open_devices *d)
{
	if (!d)
		return;
	devices_rest(d);
	vfio_ioas_close(&d->ioas);
	free(d);
}

bool devices_are_held(const struct bind_plan *groups)
{
	for (size_t i = 0; i < groups->group_count; i++)
		if (vfio_group_is_held(groups->groups[i].number))
			return true;
	return false;
}

/* Binds the groups, so that each stays ours after its devices are closed. */
static int bind_groups(const struct bind_env *env, const struct bind_plan *plan,
	struct open_devices *d, struct err *e)
{
	for (size_t i = 0; i < plan->group_count; i++) {
		const struct vfio_member m = {.host = env->host, .group = plan->groups[i].number};
		int r = vfio_ioas_bind(&d->ioas, &m, e);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Return: the number of its group, -ENODEV. */
static int group_of(const struct bind_plan *plan, struct pci_address a)
{
	for (size_t i = 0; i < plan->group_count; i++) {
		for (size_t m = 0; m < plan->groups[i].count; m++) {
			if (pci_address_equal(plan->groups[i].members[m].device.address, a))
				return plan->groups[i].number;
		}
	}
	return -ENODEV;
}

static int open_device(const struct bind_env *env, struct open_devices *d,
	const struct bind_plan *plan, struct pci_address a, struct err *e)
{
	char name[PCI_ADDRESS_TEXT];
	struct vfio_member m = {.host = env->host, .name = name, .group = group_of(plan, a)};

	(void)pci_address_format(a, name);
	if (m.group < 0)
		return err_say(e, -ENODEV, "%s: not in a group that was taken", name);
	int r = vfio_ioas_attach(&d->ioas, &m, &d->devices[d->device_count].vfio, e);
	if (r < 0)
		return r;
	d->devices[d->device_count].address = a;
	d->devices[d->device_count].group = m.group;
	d->devices[d->device_count].kvm_file =
		vfio_ioas_kvm_file(&d->ioas, &d->devices[d->device_count].vfio);
	d->device_count++;
	return 0;
}

static int receive_device(const struct bind_env *env, struct open_devices *d,
	const struct guest_device *g, struct err *e)
{
	char name[PCI_ADDRESS_TEXT];
	const struct vfio_member m = {
		.host = env->host, .name = name, .group = bind_group_of(env->host, g->address)};
	struct vfio_dev *dev = &d->devices[d->device_count].vfio;

	(void)pci_address_format(g->address, name);
	int r = vfio_ioas_receive(&d->ioas, &m, g->fd, dev, e);
	if (r < 0)
		return err_in(e, r, "%s", name);
	d->devices[d->device_count].address = g->address;
	d->devices[d->device_count].group = m.group < 0 ? 0 : m.group;
	d->devices[d->device_count].kvm_file = vfio_ioas_kvm_file(&d->ioas, dev);
	d->device_count++;
	return 0;
}

/* Each descriptor belongs to the space, and is closed with it. */
static int receive_parts(const struct bind_env *env, const struct guest_spec *s,
	struct open_devices *d, struct err *e)
{
	int r = vfio_ioas_from_fd(s->devices[0].container, &d->ioas, e);

	for (size_t i = 0; r >= 0 && i < s->device_count; i++)
		r = receive_device(env, d, &s->devices[i], e);
	return r < 0 ? r : 0;
}

static int begin_groups(const struct bind_env *env, const struct bind_plan *plan,
	struct open_devices *d, struct err *e)
{
	if (plan->group_count > SPEC_DEVICES_MAX)
		return err_set(e, -E2BIG, "devices");
	int r = vfio_ioas_open(&vfio_type1, &d->ioas, e);
	return r < 0 ? r : bind_groups(env, plan, d, e);
}

int devices_begin(const struct bind_env *env, const struct guest_spec *s,
	const struct bind_plan *groups, struct open_devices **ret, struct err *e)
{
	struct open_devices *d = calloc(1, sizeof(*d));

	if (!d)
		return err_set(e, -ENOMEM, "devices");
	d->ioas = VFIO_IOAS_NONE;
	int r = spec_is_handed(s) ? receive_parts(env, s, d, e) : begin_groups(env, groups, d, e);
	if (r < 0) {
		devices_close(d);
		return r;
	}
	*ret = d;
	return 0;
}

int devices_finish(const struct bind_env *env, const struct guest_spec *s,
	const struct bind_plan *groups, struct open_devices *d, struct err *e)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < s->device_count && !spec_is_handed(s); i++)
		r = open_device(env, d, groups, s->devices[i].address, e);
	return r < 0 ? r : 0;
}

int devices_open(const struct bind_env *env, const struct guest_spec *s,
	const struct bind_plan *groups, struct open_devices **ret, struct err *e)
{
	int r = devices_begin(env, s, groups, ret, e);

	if (r == 0)
		r = devices_finish(env, s, groups, *ret, e);
	if (r < 0) {
		devices_close(*ret);
		*ret = NULL;
	}
	return r;
}

int devices_open_again(
	struct host *h, struct open_devices *d, size_t i, struct vfio_dev *ret, struct err *e)
{
	char name[PCI_ADDRESS_TEXT];
	const struct vfio_member m = {.host = h, .name = name, .group = d->devices[i].group};

	(void)pci_address_format(d->devices[i].address, name);
	return vfio_ioas_attach(&d->ioas, &m, ret, e);
}
