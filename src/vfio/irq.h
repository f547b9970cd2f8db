/* SPDX-License-Identifier: MIT */
#ifndef VFIO_IRQ_H
#define VFIO_IRQ_H

#include <stdint.h>

struct err;
struct vfio_dev;

/*
 * Interrupts of a device, by kind: VFIO_PCI_INTX_IRQ_INDEX, _MSI_, _MSIX_, _ERR_, _REQ_. A vector
 * signals an eventfd. Only one of INTx, MSI and MSI-X can be on at a time.
 * Ref: linux/vfio.h VFIO_DEVICE_GET_IRQ_INFO, VFIO_DEVICE_SET_IRQS.
 */
#define VFIO_VECTORS_MAX 2048 /* MSI-X: 11 bits of table size */

struct vfio_irqs {
	uint32_t index;
	/*
	 * VFIO_IRQ_INFO_EVENTFD, _MASKABLE, _AUTOMASKED (masked at every signal: INTx), _NORESIZE
	 * (vectors cannot be added while it is on: MSI, and MSI-X before Linux 6.5).
	 */
	uint32_t flags;
	uint32_t count; /* vectors; 0: the device does not have this kind */
};

/* Return: 0; -EINVAL no such kind (ERR on a device that is not PCI Express). */
int vfio_irq_info(struct vfio_dev *d, uint32_t index, struct vfio_irqs *ret, struct err *e);

/*
 * Makes vectors [@start, +@count) signal the eventfds @fds; -1: the vector signals none. The first
 * call turns the kind on with @start + @count vectors. The eventfds stay the caller's.
 * Return: 0; > 0 the kernel has only that many vectors, and nothing was turned on; -EINVAL vectors
 * that do not exist or cannot be added, or another kind is on; -errno.
 */
int vfio_irq_set(
	struct vfio_dev *d, uint32_t index, uint32_t start, const int *fds, uint32_t count);

/* Turns the whole kind off. Return: 0; -EINVAL it was off; -errno. */
int vfio_irq_disable(struct vfio_dev *d, uint32_t index);

/* Masks or unmasks INTx. Return: 0; -ENOTTY any other kind; -EINVAL INTx is off. */
int vfio_irq_mask(struct vfio_dev *d, uint32_t index);
int vfio_irq_unmask(struct vfio_dev *d, uint32_t index);

/*
 * Lets a signal of @fd unmask INTx; -1: no longer. For KVM's resample eventfd. Return: 0, -errno.
 */
int vfio_irq_unmask_fd(struct vfio_dev *d, uint32_t index, int fd);

/* Signals the eventfds of [@start, +@count) as if the device had. Return: 0, -errno. */
int vfio_irq_fire(struct vfio_dev *d, uint32_t index, uint32_t start, uint32_t count);

#endif
