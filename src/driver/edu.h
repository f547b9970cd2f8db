/* SPDX-License-Identifier: MIT */
#ifndef DRIVER_EDU_H
#define DRIVER_EDU_H

#include <stdint.h>
#include <usher/device.h>
#include <usher/dma.h>
#include <usher/region.h>

struct usher_err;

/*
 * QEMU's educational device: every thing that a PCI device does, once. It computes factorials,
 * raises interrupts, and copies between memory and 4 KiB of its own.
 *
 * One thread at a time. A call that returned -ENODEV means that the device is gone; -ETIMEDOUT
 * that it is stuck, and that only edu_reset() helps.
 */
enum edu_irq { EDU_POLLED, EDU_INTX, EDU_MSI };

struct edu {
	struct usher_device *dev;
	struct usher_window bar;
	struct usher_buffer bounce;
	enum edu_irq irq;
	unsigned timeout_ms; /* of each wait: 2000 unless changed */
};

#define EDU_NONE ((struct edu){.bounce = USHER_BUFFER_NONE})

/*
 * @dev: stays the caller's, and outlives @ret, which stays where it is. In any case edu_close().
 * Return: 0, -ENODEV not such a device or it does not answer, -ENOMEM, -errno.
 */
int edu_open(struct usher_device *dev, enum edu_irq irq, struct edu *ret, struct usher_err *e);
void edu_close(struct edu *d);

/* @n!, modulo 2^32. Return: 0, -ETIMEDOUT, -ENODEV. */
int edu_factorial(struct edu *d, uint32_t n, uint32_t *ret, struct usher_err *e);

/*
 * Copies to and from the device's memory, [0, EDU_MEMORY_USABLE), at @off. Of a copy that came
 * short the device says nothing: it is found by a mark behind the data (from), by reading it back
 * (to).
 * Return: 0, -ERANGE, -EIO it came short, -ETIMEDOUT, -ENODEV.
 */
int edu_write(struct edu *d, uint32_t off, const void *data, uint32_t len, struct usher_err *e);
int edu_read(struct edu *d, uint32_t off, void *data, uint32_t len, struct usher_err *e);

/* Has the device raise @bits, waits for the interrupt, acknowledges. Return: 0, -ETIMEDOUT … */
int edu_interrupt(struct edu *d, uint32_t bits, struct usher_err *e);

/* By whatever reset the device has; ready for use afterwards. Return: 0, -ENOTTY it has none. */
int edu_reset(struct edu *d, struct usher_err *e);

#endif
