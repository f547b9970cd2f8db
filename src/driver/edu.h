/* SPDX-License-Identifier: MIT */
#ifndef DRIVER_EDU_H
#define DRIVER_EDU_H

#include <stdint.h>
#include <usher/device.h>
#include <usher/dma.h>
#include <usher/region.h>

struct usher_err;

/*
 * QEMU's educational device: each thing that a PCI device does, once. It computes factorials,
 * raises interrupts, and copies between memory and 4 KiB of its own.
 *
 * For one thread at a time. -ENODEV means that the device is gone, -ETIMEDOUT that it is stuck and
 * needs edu_reset().
 */
enum edu_irq { EDU_POLLED, EDU_INTX, EDU_MSI };

struct edu {
	struct usher_device *dev;
	struct usher_window bar;
	struct usher_buffer bounce;
	enum edu_irq irq;
	unsigned timeout_ms; /* of each wait; default: 2000 */
};

#define EDU_NONE ((struct edu){.bounce = USHER_BUFFER_NONE})

/*
 * @dev: stays the caller's and must outlive @ret. Do not move *@ret. Call edu_close() also on
 * failure.
 * Return: 0; -ENODEV not such a device, or it does not answer; -ENOMEM; -errno.
 */
int edu_open(struct usher_device *dev, enum edu_irq irq, struct edu *ret, struct usher_err *e);
void edu_close(struct edu *d);

/* Computes @n! modulo 2^32. Return: 0, -ETIMEDOUT, -ENODEV. */
int edu_factorial(struct edu *d, uint32_t n, uint32_t *ret, struct usher_err *e);

/*
 * Copies to and from the device's memory, [0, EDU_MEMORY_USABLE), at @off. The device does not
 * report a short copy: the driver finds it by a mark after the data (from), or by reading it back
 * (to).
 * Return: 0, -ERANGE, -EIO the copy was short, -ETIMEDOUT, -ENODEV.
 */
int edu_write(struct edu *d, uint32_t off, const void *data, uint32_t len, struct usher_err *e);
int edu_read(struct edu *d, uint32_t off, void *data, uint32_t len, struct usher_err *e);

/* Lets the device raise @bits, waits for the interrupt, acknowledges it. Return: 0, -ETIMEDOUT … */
int edu_interrupt(struct edu *d, uint32_t bits, struct usher_err *e);

/* Resets the device and makes it ready again. Return: 0; -ENOTTY it has no reset method; -errno. */
int edu_reset(struct edu *d, struct usher_err *e);

#endif
