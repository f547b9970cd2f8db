/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_QEMU_BACKEND_H
#define ENGINE_QEMU_BACKEND_H

#include <stddef.h>

struct bind_env;
struct err;
struct guest_spec;
struct host;

/*
 * QEMU takes the descriptors of VFIO devices since version 9.0, and only with iommufd's, where a
 * device is a node of its own. Elsewhere it opens the groups by their paths.
 */

/* Return: NULL: QEMU gets descriptors of @s->devices; else why it opens groups. Static. */
const char *qemu_backend_lacks(struct host *h, const struct guest_spec *s);

/* The major number in what `qemu --version` prints; 0: none is there. */
unsigned qemu_backend_version(const char *text);

/*
 * Opens iommufd and each device of @s, all on their VFIO driver. Where a device has no node of its
 * own, none is opened. @ret: of each device, room for @s->device_count.
 * Return: 1; 0: QEMU opens groups; -errno.
 */
int qemu_backend_open(const struct bind_env *env, const struct guest_spec *s, int *ret_iommu,
	int *ret, struct err *e);

#endif
