/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_DEVICES_H
#define ENGINE_DEVICES_H

#include "bind/bind.h"
#include "engine/spec.h"
#include "vfio/device.h"
#include "vfio/ioas.h"

#include <stdbool.h>

struct err;

/*
 * A guest's devices, opened by the keeper for a VMM that opens no path: one I/O address space for
 * all. It owns their groups, so that the devices can be reset and opened again when the VMM is
 * gone.
 */
struct open_devices {
	struct vfio_ioas ioas;
	size_t device_count;
	struct {
		struct pci_address address;
		int group; /* its number: of /dev/vfio/N */
		/* by which an old KVM knows it; the space's, until the group is unbound */
		int kvm_file;
		struct vfio_dev vfio;
	} devices[SPEC_DEVICES_MAX];
};

/*
 * @groups: what bind_take() took; every member is on its VFIO driver. Devices that the caller of
 * usher has opened are in none of them.
 * Return: 0 with *@ret for devices_close(), -EBUSY, -EPERM, -errno with a sentence.
 */
int devices_open(const struct bind_env *env, const struct guest_spec *s,
	const struct bind_plan *groups, struct open_devices **ret, struct err *e);

/*
 * The same in two steps: devices_begin() makes the I/O address space, and takes what the caller of
 * usher has opened; devices_finish() opens the other devices, of which the kernel resets each, and
 * that takes 0.1 s. Return: likewise; if devices_finish() fails, @d is still the caller's.
 */
int devices_begin(const struct bind_env *env, const struct guest_spec *s,
	const struct bind_plan *groups, struct open_devices **ret, struct err *e);
int devices_finish(const struct bind_env *env, const struct guest_spec *s,
	const struct bind_plan *groups, struct open_devices *d, struct err *e);

/* Closes the devices, but keeps their groups: the devices can be opened again. */
void devices_rest(struct open_devices *d);

void devices_close(struct open_devices *d); /* NULL is fine */

/*
 * After devices_close(): whether another process still has a device of these groups, in whatever
 * way (vfio/group.h). The kernel would wait for it with an unbind.
 */
bool devices_are_held(const struct bind_plan *groups);

/*
 * Opens device @i once more; vfio_ioas_detach() closes it. @h: as in struct vfio_member.
 * Return: 0, -errno with a sentence.
 */
int devices_open_again(
	struct host *h, struct open_devices *d, size_t i, struct vfio_dev *ret, struct err *e);

#endif
