/* SPDX-License-Identifier: MIT */
#ifndef VFIO_GROUP_H
#define VFIO_GROUP_H

#include <stdbool.h>

struct err;
struct host;
struct vfio_container;
struct vfio_dev;
struct vfio_group;

/*
 * A VFIO group: the IOMMU group as the unit of ownership. Only vfio/type1.c uses it: everything
 * else speaks the verbs of vfio/ioas.h.
 *
 * A group has one opener at a time, counted until the last of its devices is closed. It is usable
 * ("viable") if no member is on a driver of the host.
 * Ref: Documentation/driver-api/vfio.rst; linux/vfio.h VFIO_GROUP_*.
 */
struct vfio_group {
	int fd; /* -1: none */
	int number; /* -1: unknown: the descriptor was handed over, and its node is not in sysfs */
};

#define VFIO_GROUP_NONE ((struct vfio_group){.fd = -1, .number = -1})

/*
 * Opens /dev/vfio/@number. @h: where to look for an explanation, NULL for none.
 * Return: 0; -ENOENT no member is on a VFIO driver; -EBUSY another process has it open (the message
 * names the process if it can be found); -EACCES; -EPERM.
 */
int vfio_group_open(struct host *h, int number, struct vfio_group *ret, struct err *e);

/*
 * @h: where to look for the group's number, NULL for nowhere. @fd belongs to the group on success
 * only. Return: 0, -ENOTTY not a group.
 */
int vfio_group_from_fd(struct host *h, int fd, struct vfio_group *ret, struct err *e);

void vfio_group_close(struct vfio_group *g);

/*
 * True if somebody still has the group or one of its devices open: by a descriptor, by a mapping,
 * or by a descriptor that waits in a socket, which no process shows. Only for a caller that has
 * none of them open itself.
 */
bool vfio_group_is_held(int number);

/* Return: > 0 viable, 0 not, -errno. */
int vfio_group_viable(struct vfio_group *g);

/* Return: > 0 it is in a container, 0 in none, -errno. */
int vfio_group_is_inside(struct vfio_group *g);

/*
 * Puts the group into a container. If the group is not viable, the message names the member on a
 * host driver.
 * Return: 0; -EPERM not viable; -EINVAL in a container already; -EBUSY.
 * Ref: linux/vfio.h VFIO_GROUP_SET_CONTAINER.
 */
int vfio_group_set_container(
	struct vfio_group *g, const struct vfio_container *c, struct host *h, struct err *e);

/* Return: 0, -EINVAL in none, -EBUSY while a device is open. */
int vfio_group_unset_container(struct vfio_group *g, struct err *e);

/*
 * Opens a device of the group. @name: its address as sysfs prints it, "0000:01:00.0", perhaps with
 * " vf_token=UUID".
 * Return: descriptor; -EINVAL the group's container has no IOMMU yet; -ENODEV no such device in the
 * group, or it is being removed; -EACCES a VF whose PF wants a token.
 * Ref: linux/vfio.h VFIO_GROUP_GET_DEVICE_FD.
 */
int vfio_group_device_fd(struct vfio_group *g, const char *name, struct err *e);

/* The same as a device. Return: 0; as above and as vfio_dev_from_fd(). */
int vfio_group_device(struct vfio_group *g, const char *name, struct vfio_dev *ret, struct err *e);

#endif
