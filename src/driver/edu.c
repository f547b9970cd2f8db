/* SPDX-License-Identifier: MIT */
#include "driver/edu.h"

#include "base/clock.h"
#include "base/num.h"
#include "base/usher_err.h"
#include "regs/edu.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <usher/irq.h>

#define EDU_TIMEOUT_MS 2000 /* QEMU's device copies for 100 ms */
#define MARK_SIZE 16
#define POLL_NS 100000
#define DMA_BITS 28

static int device_gone(struct usher_err *e)
{
	return err_say(err_from_usher(e), -ENODEV,
		"edu: the device does not answer: it is gone or stuck in reset");
}

/* No register of a living device reads as all ones. */
static int register_get(struct edu *d, uint64_t reg, uint32_t *ret, struct usher_err *e)
{
	return usher_read32(&d->bar, reg, ret) < 0 || *ret == UINT32_MAX ? device_gone(e) : 0;
}

/* Waits until none of @bits is set in @reg. */
static int wait_clear(
	struct edu *d, uint64_t reg, uint32_t bits, const char *what, struct usher_err *e)
{
	const struct timespec pause = {.tv_nsec = POLL_NS};
	int64_t end = clock_ms() + d->timeout_ms;
	uint32_t v = 0;

	for (;;) {
		int r = register_get(d, reg, &v, e);
		if (r < 0 || !(v & bits))
			return r;
		if (clock_ms() > end && usher_window_ones(&d->bar) < 0)
			return device_gone(e);
		if (clock_ms() > end)
			return err_say(err_from_usher(e), -ETIMEDOUT,
				"edu: %s took longer than %u ms", what, d->timeout_ms);
		(void)nanosleep(&pause, NULL);
	}
}

static enum usher_irq kind_of(enum edu_irq irq)
{
	return irq == EDU_MSI ? USHER_MSI : USHER_INTX;
}

/* Lowers the line before it unmasks INTx, which the kernel masked at the signal. */
static int irq_acknowledge(struct edu *d, uint32_t bits, struct usher_err *e)
{
	(void)usher_write32(&d->bar, EDU_IRQ_ACK, bits);
	if (d->irq != EDU_INTX)
		return 0;
	(void)usher_window_flush(&d->bar, EDU_IRQ_STATUS);
	int r = usher_irq_unmask(d->dev, USHER_INTX);
	return r < 0 ? err_set(err_from_usher(e), r, "edu: unmask INTx") : 0;
}

/* Waits until the device raises one of @bits, by its interrupt or, polled, by its status. */
static int wait_irq(struct edu *d, uint32_t bits, const char *what, struct usher_err *e)
{
	const struct timespec pause = {.tv_nsec = POLL_NS};
	int64_t end = clock_ms() + d->timeout_ms;
	uint32_t status = 0;

	for (;;) {
		int64_t left = end - clock_ms();
		int r = register_get(d, EDU_IRQ_STATUS, &status, e);
		if (r < 0)
			return r;
		if (left <= 0 && usher_window_ones(&d->bar) < 0)
			return device_gone(e);
		if (left <= 0)
			return err_say(err_from_usher(e), -ETIMEDOUT,
				"edu: no interrupt for %s in %u ms", what, d->timeout_ms);
		if (d->irq == EDU_POLLED)
			(void)nanosleep(&pause, NULL);
		else if (usher_irq_wait(d->dev, kind_of(d->irq), 0, (int)left) < 0)
			continue;
		r = register_get(d, EDU_IRQ_STATUS, &status, e);
		if (r == 0 && (status & bits || d->irq != EDU_POLLED))
			r = irq_acknowledge(d, status, e);
		if (r < 0 || status & bits)
			return r;
	}
}

static int irq_on(struct edu *d, enum edu_irq irq, struct usher_err *e)
{
	int r = irq == EDU_POLLED ? 0 : usher_irq_on(d->dev, kind_of(irq), 1, e);

	if (r == 0)
		d->irq = irq;
	return r;
}

static int check_identity(const struct usher_device *dev, struct usher_err *e)
{
	const struct usher_device_info *i = usher_device_query(dev);

	if (i->vendor == EDU_VENDOR && i->device == EDU_DEVICE)
		return 0;
	return err_say(err_from_usher(e), -ENODEV,
		"the device is %04x:%04x, this driver is for %04x:%04x", i->vendor, i->device,
		EDU_VENDOR, EDU_DEVICE);
}

/* The liveness register inverts what is written, which plain memory does not. */
static int check_alive(struct edu *d, struct usher_err *e)
{
	const uint32_t probe = 0x5a5a1234;
	uint32_t v = 0;
	int r = register_get(d, EDU_ID, &v, e);

	if (r < 0)
		return r;
	if ((v & EDU_ID_MASK) != EDU_ID_IS)
		return err_say(err_from_usher(e), -ENODEV, "edu: identity is 0x%08x", v);
	r = usher_write32(&d->bar, EDU_LIVENESS, probe);
	if (r < 0)
		return r;
	r = register_get(d, EDU_LIVENESS, &v, e);
	return r >= 0 && v != ~probe ? device_gone(e) : r;
}

static int open_registers(struct edu *d, struct usher_err *e)
{
	int r = check_identity(d->dev, e);

	if (r < 0)
		return r;
	r = usher_window_open(d->dev, USHER_BAR(0), 0, EDU_BAR_SIZE, USHER_UNCACHED, &d->bar, e);
	return r < 0 ? r : check_alive(d, e);
}

static int alloc_bounce(struct edu *d, struct usher_err *e)
{
	int r = usher_device_set_dma_bits(d->dev, DMA_BITS, e);

	if (r < 0)
		return r;
	return usher_buffer_alloc(
		usher_device_space(d->dev), UINT64_C(2) * EDU_MEMORY_SIZE, 0, &d->bounce, e);
}

int edu_open(struct usher_device *dev, enum edu_irq irq, struct edu *ret, struct usher_err *e)
{
	*ret = EDU_NONE;
	ret->dev = dev;
	ret->timeout_ms = EDU_TIMEOUT_MS;
	int r = open_registers(ret, e);
	if (r < 0)
		return r;
	r = alloc_bounce(ret, e);
	if (r < 0)
		return r;
	r = irq_on(ret, irq, e);
	/* Turn bus mastering on last: before, the device needs no memory. */
	return r < 0 ? r : usher_device_master_on(dev, e);
}

void edu_close(struct edu *d)
{
	if (!d->dev)
		return;
	(void)usher_device_master_off(d->dev, NULL);
	if (d->irq != EDU_POLLED)
		(void)usher_irq_off(d->dev, kind_of(d->irq), NULL);
	usher_buffer_free(&d->bounce);
	usher_window_close(&d->bar);
	*d = EDU_NONE;
}

int edu_factorial(struct edu *d, uint32_t n, uint32_t *ret, struct usher_err *e)
{
	(void)usher_write32(&d->bar, EDU_STATUS, d->irq == EDU_POLLED ? 0 : EDU_STATUS_IRQ);
	(void)usher_write32(&d->bar, EDU_FACTORIAL, n);
	int r = d->irq == EDU_POLLED ? 0 : wait_irq(d, EDU_IRQ_FACTORIAL, "the factorial", e);
	if (r < 0)
		return r;
	r = wait_clear(d, EDU_STATUS, EDU_STATUS_COMPUTING, "the factorial", e);
	if (r < 0)
		return r;
	return usher_read32(&d->bar, EDU_FACTORIAL, ret) < 0 ? device_gone(e) : 0;
}

/* Runs one copy of the DMA engine to its end. */
static int copy_piece(struct edu *d, uint64_t from, uint64_t to, uint32_t len, uint32_t direction,
	struct usher_err *e)
{
	uint32_t command = EDU_DMA_RUN | direction | (d->irq == EDU_POLLED ? 0 : EDU_DMA_IRQ);

	/* Both addresses are below 2^32, so one word each is enough. */
	(void)usher_write32(&d->bar, EDU_DMA_SOURCE, (uint32_t)from);
	(void)usher_write32(&d->bar, EDU_DMA_TARGET, (uint32_t)to);
	(void)usher_write32(&d->bar, EDU_DMA_COUNT, len);
	(void)usher_write32(&d->bar, EDU_DMA_COMMAND, command);
	int r = d->irq == EDU_POLLED ? 0 : wait_irq(d, EDU_IRQ_DMA, "the copy", e);
	if (r == 0)
		r = wait_clear(d, EDU_DMA_COMMAND, EDU_DMA_RUN, "the copy", e);
	return r;
}

int edu_read(struct edu *d, uint32_t off, void *data, uint32_t len, struct usher_err *e)
{
	uint8_t mark[MARK_SIZE], *mem = d->bounce.host;
	size_t marked = min_u64(len, MARK_SIZE);

	if (!len || !range_ok(off, len, EDU_MEMORY_USABLE))
		return err_set(err_from_usher(e), -ERANGE, "edu: read %u bytes at %u", len, off);
	/* A random mark cannot be equal to the data by chance. */
	if (getrandom(mark, sizeof(mark), 0) != sizeof(mark))
		return err_set(err_from_usher(e), -errno, "edu: a mark");
	memcpy(mem + len - marked, mark, marked);
	int r = copy_piece(d, EDU_MEMORY + off, d->bounce.iova.v, len, EDU_DMA_FROM_DEVICE, e);
	if (r < 0)
		return r;
	if (marked == MARK_SIZE && memcmp(mem + len - marked, mark, marked) == 0)
		return err_say(err_from_usher(e), -EIO,
			"edu: the device wrote fewer than the %u bytes requested", len);
	memcpy(data, mem, len);
	return 0;
}

int edu_write(struct edu *d, uint32_t off, const void *data, uint32_t len, struct usher_err *e)
{
	uint8_t *mem = d->bounce.host, *back = mem + EDU_MEMORY_SIZE;

	if (!len || !range_ok(off, len, EDU_MEMORY_USABLE))
		return err_set(err_from_usher(e), -ERANGE, "edu: write %u bytes at %u", len, off);
	memcpy(mem, data, len);
	int r = copy_piece(d, d->bounce.iova.v, EDU_MEMORY + off, len, 0, e);
	if (r < 0)
		return r;
	memset(back, ~mem[len - 1], len);
	r = copy_piece(d, EDU_MEMORY + off, d->bounce.iova.v + EDU_MEMORY_SIZE, len,
		EDU_DMA_FROM_DEVICE, e);
	if (r < 0)
		return r;
	return memcmp(mem, back, len) == 0
		       ? 0
		       : err_say(err_from_usher(e), -EIO,
				 "edu: the device read fewer than the %u bytes given", len);
}

int edu_interrupt(struct edu *d, uint32_t bits, struct usher_err *e)
{
	(void)usher_write32(&d->bar, EDU_IRQ_RAISE, bits);
	return wait_irq(d, bits, "the request", e);
}

int edu_reset(struct edu *d, struct usher_err *e)
{
	enum edu_irq irq = d->irq;
	int r = usher_device_reset(d->dev, e);

	/* A reset turns interrupts off; a refused one does not. */
	if (irq != EDU_POLLED && usher_irq_fd(d->dev, kind_of(irq), 0) < 0)
		d->irq = EDU_POLLED;
	if (r < 0)
		return r;
	r = check_alive(d, e);
	if (r < 0)
		return r;
	r = irq_on(d, irq, e);
	return r < 0 ? r : usher_device_master_on(d->dev, e);
}
