/* SPDX-License-Identifier: MIT */
#ifndef VFIO_DEVICE_H
#define VFIO_DEVICE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
struct vfio_dev;
struct vfio_group;

/* Who answers: the kernel, or a model of a device in this process. */
struct vfio_dev_ops {
	/* ioctl(2) of linux/vfio.h on a device. Return: what the ioctl returns, -errno. */
	int (*call)(struct vfio_dev *d, unsigned long request, void *arg);
	/* pread(2), pwrite(2) of a region at its file offset. Return: bytes, -errno. */
	ssize_t (*read)(struct vfio_dev *d, void *buf, size_t len, uint64_t off);
	ssize_t (*write)(struct vfio_dev *d, const void *buf, size_t len, uint64_t off);
	/* mmap(2), MAP_SHARED; @at: NULL, or where exactly (MAP_FIXED). Return: 0, -errno. */
	int (*map)(struct vfio_dev *d, void *at, size_t len, int prot, uint64_t off, void **ret);
	void (*close)(struct vfio_dev *d);
};

/*
 * A device opened through VFIO. The kernel resets it when it is opened and when the last
 * descriptor closes: a reset right after opening is a second one, and each FLR takes 100 ms.
 * At open bus mastering is off: DMA and MSIs go nowhere until PCI_COMMAND_MASTER is set.
 */
struct vfio_dev {
	const struct vfio_dev_ops *ops;
	int fd; /* -1: a model, or none */
	void *model; /* the model's own */
	uint32_t flags; /* VFIO_DEVICE_FLAGS_RESET, _PCI, … */
	uint32_t region_count;
	uint32_t irq_count;
};

#define VFIO_DEV_NONE ((struct vfio_dev){.fd = -1})

/*
 * Opens a device of the group. @name: its address as sysfs prints it, "0000:01:00.0".
 * Return: 0; -EINVAL the group's container has no IOMMU yet; -ENODEV no such device in the group,
 * or it is going away; -EACCES a VF whose PF wants a token.
 * Ref: linux/vfio.h VFIO_GROUP_GET_DEVICE_FD, VFIO_DEVICE_GET_INFO.
 */
int vfio_dev_open(struct vfio_group *g, const char *name, struct vfio_dev *ret, struct err *e);

/* The descriptor alone, to hand it to another process. Return: descriptor, or as above. */
int vfio_group_device_fd(struct vfio_group *g, const char *name, struct err *e);

/* @fd is the device's on success only. Return: 0, -ENOTTY not a VFIO device, -EINVAL not PCI. */
int vfio_dev_from_fd(int fd, struct vfio_dev *ret, struct err *e);

/* A model: @ops->call answers VFIO_DEVICE_GET_INFO. Return: 0, -errno. */
int vfio_dev_from_model(
	const struct vfio_dev_ops *ops, void *model, struct vfio_dev *ret, struct err *e);

void vfio_dev_close(struct vfio_dev *d);

/* What the root port above the device completes for it (PCI Express AtomicOps). */
#define VFIO_ATOMIC_32 1u
#define VFIO_ATOMIC_64 2u
#define VFIO_ATOMIC_128 4u

/*
 * Return: VFIO_ATOMIC_…; 0 none, or a kernel before 6.6, which does not say.
 * Ref: linux/vfio.h VFIO_DEVICE_INFO_CAP_PCI_ATOMIC_COMP.
 */
unsigned vfio_dev_atomics(struct vfio_dev *d);

/*
 * Resets the function by whatever the kernel has: FLR, PM, bus. Mappings of its BARs are zapped.
 * Return: 0; -ENOTTY no way to reset it (the kernel's own -EINVAL); -EAGAIN busy, try again.
 * Ref: linux/vfio.h VFIO_DEVICE_RESET.
 */
int vfio_dev_reset(struct vfio_dev *d, struct err *e);

#endif
