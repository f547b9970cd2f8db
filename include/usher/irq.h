/* SPDX-License-Identifier: MIT */
#ifndef USHER_IRQ_H
#define USHER_IRQ_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

struct usher_device;
struct usher_err;

/*
 * Interrupts and events of a device. Each vector signals an eventfd, which goes into poll(2),
 * epoll or io_uring as any other descriptor. One of INTx, MSI, MSI-X can be on at a time; ERR and
 * REQ at any time. MSIs are DMA writes: nothing arrives before usher_device_master_on().
 * Ref: linux/vfio.h VFIO_DEVICE_GET_IRQ_INFO, VFIO_DEVICE_SET_IRQS.
 */
enum usher_irq {
	USHER_INTX, /* a level; masked at every signal until usher_irq_unmask() */
	USHER_MSI,
	USHER_MSIX,
	USHER_ERR, /* an uncorrectable PCI Express error */
	USHER_REQ, /* the host wants the device back: stop, and close it */
};

struct usher_irq_info {
	uint32_t count; /* vectors; 0: the device has none of this kind */
	int maskable; /* 1: usher_irq_mask() works */
	int automasked; /* 1: masked at every signal */
	int growable; /* 1: usher_irq_add() leaves the others alone */
};

/* Return: 0 (a kind that is not there has count 0), -EINVAL no such kind. */
int usher_irq_info(struct usher_device *d, enum usher_irq kind, struct usher_irq_info *ret);

/*
 * Turns a kind on, with vectors [0, @count); their eventfds are made and belong to the device.
 * Return: 0; -EINVAL the device has not so many; -EBUSY another kind is on; -ENOSPC the kernel
 * has not so many (the message says how many); -ENODEV gone; -errno.
 */
int usher_irq_on(struct usher_device *d, enum usher_irq kind, uint32_t count, struct usher_err *e);

/*
 * One vector more of an MSI-X that is on: @vector may be any of the device's. Where the kernel
 * cannot add (before Linux 6.5), MSI-X goes off and on again, and then every vector is signalled
 * once, so that no interrupt of the gap is missed. When there is no vector left, those that were on
 * are on again; should even that fail, MSI-X is off and usher_irq_fd() says so.
 * Return: as above; 0 when it is there already.
 */
int usher_irq_add(
	struct usher_device *d, enum usher_irq kind, uint32_t vector, struct usher_err *e);

/* Return: 0; 0 too when it was not on. */
int usher_irq_off(struct usher_device *d, enum usher_irq kind, struct usher_err *e);

/* The vector's eventfd (non-blocking), until the kind goes off. Return: descriptor, -ENOENT. */
int usher_irq_fd(struct usher_device *d, enum usher_irq kind, uint32_t vector);

/*
 * Waits for a vector and takes its signals. @timeout_ms: -1 for ever, 0 only looks.
 * Return: number of signals since the last time, -ETIMEDOUT, -EINTR, -ENOENT, -errno.
 */
int64_t usher_irq_wait(
	struct usher_device *d, enum usher_irq kind, uint32_t vector, int timeout_ms);

/* INTx alone. Return: 0, -ENOTTY another kind, -EINVAL it is not on. */
int usher_irq_mask(struct usher_device *d, enum usher_irq kind);
int usher_irq_unmask(struct usher_device *d, enum usher_irq kind);

/* INTx: a signal of @fd unmasks it, without a call of ours; -1 ends that. Return: 0, -errno. */
int usher_irq_resample(struct usher_device *d, enum usher_irq kind, int fd);

/* Signals a vector as if the device had: to test a program. Return: 0, -EINVAL it is not on. */
int usher_irq_fire(struct usher_device *d, enum usher_irq kind, uint32_t vector);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
