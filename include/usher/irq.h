/* SPDX-License-Identifier: MIT */
#ifndef USHER_IRQ_H
#define USHER_IRQ_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

struct usher_device;
struct usher_err;

/*
 * Interrupts and events of a device. Each vector signals an eventfd, which works with poll(2),
 * epoll and io_uring. Only one of INTx, MSI and MSI-X can be on at a time; ERR and REQ can be on
 * beside it. MSIs are DMA writes: none arrives before usher_device_master_on().
 * Ref: linux/vfio.h VFIO_DEVICE_GET_IRQ_INFO, VFIO_DEVICE_SET_IRQS.
 */
enum usher_irq {
	USHER_INTX, /* a level; the kernel masks it at every signal until usher_irq_unmask() */
	USHER_MSI,
	USHER_MSIX,
	USHER_ERR, /* an uncorrectable PCI Express error */
	USHER_REQ, /* the host wants the device back: stop and close it */
};

struct usher_irq_info { /* grows: usher_sized(3) */
	uint32_t count; /* vectors; 0: the device does not have this kind */
	int maskable; /* 1: usher_irq_mask() works */
	int automasked; /* 1: the kernel masks it at every signal */
	int growable; /* 1: usher_irq_add() does not disturb the other vectors */
};

/*
 * What the device has of a kind. @size: sizeof(*@ret).
 * Return: 0, also for a kind that the device does not have; -EINVAL not a kind, or that is no size
 * of the structure.
 */
int usher_irq_query_sized(
	struct usher_device *d, enum usher_irq kind, struct usher_irq_info *ret, size_t size);
static inline int usher_irq_query(
	struct usher_device *d_, enum usher_irq kind_, struct usher_irq_info *ret_)
{
	return usher_irq_query_sized(d_, kind_, ret_, sizeof(*ret_));
}
#ifndef __cplusplus
/* Its name in version 0.1. In C++ it would hide the structure. */
#define usher_irq_info(d, kind, ret) usher_irq_query(d, kind, ret)
#endif

/*
 * Turns a kind on with vectors [0, @count). The library makes their eventfds; they belong to the
 * device.
 * Return: 0; -EINVAL the device does not have that many; -EBUSY another kind is on; -ENOSPC the
 * kernel does not have that many (the message says how many); -ENODEV gone; -errno.
 */
int usher_irq_on(struct usher_device *d, enum usher_irq kind, uint32_t count, struct usher_err *e);

/*
 * Adds one vector while MSI-X is on. @vector: any of the device's.
 *
 * Before Linux 6.5 the kernel cannot add vectors. Then the library turns MSI-X off and on again,
 * and signals every vector once, so that no interrupt in between is missed. If no vector is left,
 * those that were on are turned on again. If even that fails, MSI-X is off, and usher_irq_fd()
 * returns
 * -ENOENT.
 * Return: as usher_irq_on(); 0 if the vector is on already.
 */
int usher_irq_add(
	struct usher_device *d, enum usher_irq kind, uint32_t vector, struct usher_err *e);

/* Turns a kind off and closes its eventfds. Return: 0, also if it was off; -errno. */
int usher_irq_off(struct usher_device *d, enum usher_irq kind, struct usher_err *e);

/*
 * The eventfd of a vector (non-blocking). It belongs to the device, until the kind is turned off.
 * Return: descriptor; -ENOENT the vector is not on.
 */
int usher_irq_fd(struct usher_device *d, enum usher_irq kind, uint32_t vector);

/*
 * Waits for a vector and consumes its signals. @timeout_ms: -1 without limit, 0 does not wait [ms].
 * Return: number of signals since the last call; -ETIMEDOUT; -EINTR; -ENOENT the vector is not on;
 * -errno.
 */
int64_t usher_irq_wait(
	struct usher_device *d, enum usher_irq kind, uint32_t vector, int timeout_ms);

/* Masks or unmasks INTx. Return: 0; -ENOTTY any other kind; -EINVAL INTx is off. */
int usher_irq_mask(struct usher_device *d, enum usher_irq kind);
int usher_irq_unmask(struct usher_device *d, enum usher_irq kind);

/*
 * Lets a signal of the eventfd @fd unmask INTx in the kernel; -1: no longer. The eventfd stays the
 * caller's. Return: 0; -ENOTTY any other kind; -EINVAL INTx is off; -errno.
 */
int usher_irq_resample(struct usher_device *d, enum usher_irq kind, int fd);

/* Signals a vector as if the device had done so, for tests. Return: 0, -EINVAL it is not on. */
int usher_irq_fire(struct usher_device *d, enum usher_irq kind, uint32_t vector);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
