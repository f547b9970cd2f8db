/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_DEVICES_H
#define ENGINE_DEVICES_H

#include "bind/bind.h"
#include "engine/spec.h"
#include "vfio/container.h"
#include "vfio/group.h"

struct err;

/*
 * The VFIO descriptors of a guest's devices, opened by the keeper for a VMM that opens no path:
 * one container for all, each group once, each device.
 */
struct open_devices {
	struct vfio_container container;
	size_t group_count;
	struct vfio_group groups[SPEC_DEVICES_MAX];
	size_t device_count;
	struct {
		struct pci_address address;
		int fd;
		int group_fd; /* one of groups[] */
		int group; /* its number: of /dev/vfio/N */
	} devices[SPEC_DEVICES_MAX];
};

/*
 * @groups: what bind_take() took; every member is on its VFIO driver.
 * Return: 0 with *@ret for devices_close(), -EBUSY, -EPERM, -errno with a sentence.
 */
int devices_open(const struct bind_env *env, const struct guest_spec *s,
	const struct bind_plan *groups, struct open_devices **ret, struct err *e);

/* Keeps the groups and the container alone: the devices can be opened again by them. */
void devices_rest(struct open_devices *d);

void devices_close(struct open_devices *d); /* NULL is fine */

#endif
