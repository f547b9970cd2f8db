/* SPDX-License-Identifier: MIT */
#ifndef DRIVER_EDU_H
#define DRIVER_EDU_H

#include "driver/attach.h"

#include <stdint.h>

struct err;

/*
 * QEMU's educational device: every thing that a PCI device does, once. It computes factorials,
 * raises interrupts, and copies between memory and 4 KiB of its own.
 *
 * One thread at a time. A call that returned -ENODEV means that the device is gone; -ETIMEDOUT
 * that it is stuck, and that only edu_reset() helps.
 */
enum edu_irq { EDU_POLLED, EDU_INTX, EDU_MSI };

struct edu {
	struct attachment *at;
	struct window bar;
	struct dma_buf bounce;
	enum edu_irq irq;
	int event_fd; /* -1 while polled */
	unsigned timeout_ms; /* of each wait: 2000 unless changed */
};

#define EDU_NONE ((struct edu){.event_fd = -1})

/*
 * @a: stays the caller's, and outlives @ret. In any case edu_close().
 * Return: 0, -ENODEV not such a device or it does not answer, -ENOMEM, -ENOTSUP, -errno.
 */
int edu_open(struct attachment *a, enum edu_irq irq, struct edu *ret, struct err *e);
void edu_close(struct edu *d);

/* @n!, modulo 2^32. Return: 0, -ETIMEDOUT, -ENODEV. */
int edu_factorial(struct edu *d, uint32_t n, uint32_t *ret, struct err *e);

/*
 * Copies to and from the device's memory, [0, EDU_MEMORY_USABLE), at @off. Of a copy that came short the device says
 * nothing: it is found by a mark behind the data (from), by reading it back (to).
 * Return: 0, -ERANGE, -EIO it came short, -ETIMEDOUT, -ENODEV.
 */
int edu_write(struct edu *d, uint32_t off, const void *data, uint32_t len, struct err *e);
int edu_read(struct edu *d, uint32_t off, void *data, uint32_t len, struct err *e);

/* Has the device raise @bits, waits for the interrupt, acknowledges. Return: 0, -ETIMEDOUT … */
int edu_interrupt(struct edu *d, uint32_t bits, struct err *e);

/* By whatever reset the device has; ready for use afterwards. Return: 0, -ENOTTY it has none. */
int edu_reset(struct edu *d, struct err *e);

#endif
