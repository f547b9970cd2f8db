/* SPDX-License-Identifier: MIT */
#ifndef VFIO_DEVICE_H
#define VFIO_DEVICE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
struct vfio_dependent;
struct vfio_dev;
struct vfio_irqs;
struct vfio_region;

/* What a device is. */
struct vfio_dev_info {
	uint32_t flags; /* VFIO_DEVICE_FLAGS_RESET, _PCI, … */
	uint32_t region_count;
	uint32_t irq_count;
	unsigned atomics; /* VFIO_ATOMIC_… */
};

/* What vfio_dev_ops.irq_act does to vectors without an eventfd of its own. */
enum vfio_irq_act { VFIO_IRQ_FIRE, VFIO_IRQ_MASK, VFIO_IRQ_UNMASK, VFIO_IRQ_OFF };

/*
 * The verbs of a device, which a back end implements. The functions of vfio/device.h, region.h,
 * irq.h, feature.h and hotreset.h check bounds and word errors; a back end need not.
 * All return 0 or more, or -errno.
 */
struct vfio_dev_ops {
	int (*info)(struct vfio_dev *d, struct vfio_dev_info *ret);
	/* @ret is zeroed. -EINVAL: no such index. */
	int (*region_info)(struct vfio_dev *d, uint32_t index, struct vfio_region *ret);
	/* Bytes of a region. Return: how many, -errno. */
	ssize_t (*read)(struct vfio_dev *d, const struct vfio_region *r, uint64_t off, void *buf,
		size_t len);
	ssize_t (*write)(struct vfio_dev *d, const struct vfio_region *r, uint64_t off,
		const void *buf, size_t len);
	/* Shared memory of a region. @at: NULL, or the exact address. @prot: of mmap(2). */
	int (*map)(struct vfio_dev *d, const struct vfio_region *r, uint64_t off, size_t len,
		int prot, void *at, void **ret);
	int (*ioeventfd)(struct vfio_dev *d, const struct vfio_region *r, uint64_t off,
		unsigned size, uint64_t value, int fd);
	int (*irq_info)(struct vfio_dev *d, uint32_t index, struct vfio_irqs *ret);
	/* As vfio_irq_set(): > 0 there are only so many vectors. */
	int (*irq_set)(
		struct vfio_dev *d, uint32_t index, uint32_t start, const int *fds, uint32_t count);
	int (*irq_act)(struct vfio_dev *d, uint32_t index, enum vfio_irq_act act, uint32_t start,
		uint32_t count);
	/* A signal of @fd unmasks; -1: no longer. */
	int (*irq_unmask_fd)(struct vfio_dev *d, uint32_t index, int fd);
	int (*reset)(struct vfio_dev *d);
	/* The functions that a reset of the bus hits. Return: how many; *@ret is for free(). */
	int (*dependents)(struct vfio_dev *d, struct vfio_dependent **ret);
	/* @groups: descriptors that prove ownership, where the back end wants such. */
	int (*reset_bus)(struct vfio_dev *d, const int *groups, size_t count);
	/* @flags: number and use, of linux/vfio.h. @data: read, written or both. */
	int (*feature)(struct vfio_dev *d, uint32_t flags, void *data, size_t size);
	void (*close)(struct vfio_dev *d); /* NULL: nothing to do */
};

/*
 * A device opened through VFIO. The kernel resets it when it is opened and when the last
 * descriptor closes: a reset right after opening is a second one, and each FLR takes 100 ms.
 * At open bus mastering is off: DMA and MSIs go nowhere until PCI_COMMAND_MASTER is set.
 */
struct vfio_dev {
	const struct vfio_dev_ops *ops; /* NULL: none */
	int fd; /* -1: a model without one, or none */
	void *model; /* the back end's own */
	int group; /* number of its IOMMU group; -1: unknown */
	int slot; /* where vfio_ioas.state keeps its group; -1: nowhere */
	uint32_t flags; /* VFIO_DEVICE_FLAGS_RESET, _PCI, … */
	uint32_t region_count;
	uint32_t irq_count;
};

#define VFIO_DEV_NONE ((struct vfio_dev){.fd = -1, .group = -1, .slot = -1})

/*
 * A device by a descriptor that was opened through a group or by another process.
 * @fd belongs to the device on success only.
 * Return: 0, -ENOTTY not a VFIO device, -EINVAL not PCI. Ref: linux/vfio.h VFIO_DEVICE_GET_INFO.
 */
int vfio_dev_from_fd(int fd, struct vfio_dev *ret, struct err *e);

/* A device of another back end. Return: 0, -EINVAL not PCI, -errno. */
int vfio_dev_from_model(
	const struct vfio_dev_ops *ops, void *model, struct vfio_dev *ret, struct err *e);

/* NONE is fine. A device of a space is closed by vfio_ioas_detach() instead. */
void vfio_dev_close(struct vfio_dev *d);

/* Which PCI Express AtomicOps the root port above the device completes for it. */
#define VFIO_ATOMIC_32 1u
#define VFIO_ATOMIC_64 2u
#define VFIO_ATOMIC_128 4u

/*
 * Return: VFIO_ATOMIC_…; 0 none, or a kernel before 6.6, which does not say.
 * Ref: linux/vfio.h VFIO_DEVICE_INFO_CAP_PCI_ATOMIC_COMP.
 */
unsigned vfio_dev_atomics(struct vfio_dev *d);

/*
 * Resets the function by the kernel's first method that works: FLR, PM, bus. Mappings of its BARs
 * are zapped.
 * Return: 0; -ENOTTY no method (the kernel says -EINVAL); -EAGAIN busy, try again; -errno.
 * Ref: linux/vfio.h VFIO_DEVICE_RESET.
 */
int vfio_dev_reset(struct vfio_dev *d, struct err *e);

#endif
