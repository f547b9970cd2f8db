/* SPDX-License-Identifier: MIT */
#ifndef VFIO_GROUP_H
#define VFIO_GROUP_H

struct err;
struct host;
struct vfio_container;
struct vfio_dev;
struct vfio_group;

/* Who answers: the kernel, or a model in this process. */
struct vfio_group_ops {
	/* ioctl(2) of linux/vfio.h on a group. Return: what the ioctl returns, -errno. */
	int (*call)(struct vfio_group *g, unsigned long request, void *arg);
	/* A device by the descriptor that VFIO_GROUP_GET_DEVICE_FD returned. Return: 0, -errno. */
	int (*device)(struct vfio_group *g, int fd, struct vfio_dev *ret, struct err *e);
	void (*close)(struct vfio_group *g); /* NULL: close(2) is all there is to do */
};

/*
 * A VFIO group: the IOMMU group as the unit of ownership. One opener at a time, counted until the
 * last of its devices is closed. Usable ("viable") when no member is on a driver of the host.
 * Ref: Documentation/driver-api/vfio.rst; linux/vfio.h VFIO_GROUP_*.
 */
struct vfio_group {
	const struct vfio_group_ops *ops;
	int fd;
	int number; /* -1: handed over as a descriptor, and its node is not in sysfs */
	void *model; /* the model's own */
};

#define VFIO_GROUP_NONE ((struct vfio_group){.fd = -1, .number = -1})

/*
 * Opens /dev/vfio/@number. @h: where to look for an explanation, NULL for none.
 * Return: 0; -ENOENT no member is on a VFIO driver; -EBUSY somebody has it open (the message names
 * the process where it can be told); -EACCES; -EPERM.
 */
int vfio_group_open(struct host *h, int number, struct vfio_group *ret, struct err *e);

/*
 * @h: where to look for the group's number, NULL for nowhere. @fd is the group's on success only.
 * Return: 0, -ENOTTY not a group.
 */
int vfio_group_from_fd(struct host *h, int fd, struct vfio_group *ret, struct err *e);

void vfio_group_close(struct vfio_group *g);

/* Return: > 0 viable, 0 not, -errno. */
int vfio_group_viable(struct vfio_group *g);

/*
 * Puts the group into a container; refused unless it is viable, then the message names the member
 * that is in the way and its driver.
 * Return: 0; -EPERM not viable; -EINVAL in a container already; -EBUSY.
 * Ref: linux/vfio.h VFIO_GROUP_SET_CONTAINER.
 */
int vfio_group_set_container(
	struct vfio_group *g, struct vfio_container *c, struct host *h, struct err *e);

/* Return: 0, -EINVAL in none, -EBUSY while a device is open. */
int vfio_group_unset_container(struct vfio_group *g, struct err *e);

#endif
