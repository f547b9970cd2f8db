/* SPDX-License-Identifier: MIT */
#include "driver/edu.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/vfio.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "driver/edu_regs.h"
#include "vfio/irq.h"

#define EDU_TIMEOUT_MS 2000 /* a copy takes QEMU's device 100 ms */
#define MARK_SIZE 16
#define POLL_NS 100000

static int64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000) + t.tv_nsec / 1000000;
}

static int gone(struct err *e)
{
	return err_say(e, -ENODEV, "edu: the device does not answer: it is gone or stuck in reset");
}

/* Until none of @bits is set in @reg. */
static int wait_clear(struct edu *d, uint64_t reg, uint32_t bits, const char *what, struct err *e)
{
	const struct timespec pause = {.tv_nsec = POLL_NS};
	int64_t end = now_ms() + d->timeout_ms;

	for (;;) {
		uint32_t v = window_get32(&d->bar, reg);
		if (v == UINT32_MAX)
			return gone(e);
		if (!(v & bits))
			return 0;
		if (now_ms() > end)
			return err_say(e, -ETIMEDOUT, "edu: %s took longer than %u ms", what,
				d->timeout_ms);
		(void)nanosleep(&pause, NULL);
	}
}

static uint32_t irq_index(enum edu_irq irq)
{
	return irq == EDU_MSI ? VFIO_PCI_MSI_IRQ_INDEX : VFIO_PCI_INTX_IRQ_INDEX;
}

/* Lowers the line, and only then lets the kernel listen to it again: it masked INTx by itself. */
static int acknowledge(struct edu *d, uint32_t bits, struct err *e)
{
	window_put32(&d->bar, EDU_IRQ_ACK, bits);
	if (d->irq != EDU_INTX)
		return 0;
	(void)window_get32(&d->bar, EDU_IRQ_STATUS); /* the write has arrived once this is read */
	int r = vfio_irq_unmask(&d->at->dev, VFIO_PCI_INTX_IRQ_INDEX);
	return r < 0 ? err_set(e, r, "edu: unmask INTx") : 0;
}

/* For one of @bits to be raised, by an interrupt; polled, by the status alone. */
static int wait_irq(struct edu *d, uint32_t bits, const char *what, struct err *e)
{
	int64_t end = now_ms() + d->timeout_ms;

	for (;;) {
		uint32_t status = window_get32(&d->bar, EDU_IRQ_STATUS);
		int64_t left = end - now_ms();
		uint64_t count;

		if (status == UINT32_MAX)
			return gone(e);
		if (left <= 0)
			return err_say(e, -ETIMEDOUT, "edu: no interrupt for %s in %u ms", what,
				d->timeout_ms);
		struct pollfd p = {.fd = d->event_fd, .events = POLLIN};
		(void)poll(&p, 1, d->event_fd < 0 ? 1 : (int)left);
		if (d->event_fd >= 0 && read(d->event_fd, &count, sizeof(count)) < 0)
			continue;
		status = window_get32(&d->bar, EDU_IRQ_STATUS);
		if (status == UINT32_MAX)
			return gone(e);
		int r = status & bits || d->event_fd >= 0 ? acknowledge(d, status, e) : 0;
		if (r < 0 || status & bits)
			return r;
	}
}

static int irq_on(struct edu *d, enum edu_irq irq, struct err *e)
{
	if (irq == EDU_POLLED)
		return 0;
	d->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (d->event_fd < 0)
		return err_set(e, -errno, "edu: eventfd");
	int r = vfio_irq_set(&d->at->dev, irq_index(irq), 0, &d->event_fd, 1);
	if (r)
		return err_set(
			e, r > 0 ? -ENOSPC : r, "edu: turn %s on", irq == EDU_MSI ? "MSI" : "INTx");
	d->irq = irq;
	return 0;
}

/* The liveness register tells a device from a window that just keeps what was written. */
static int check_alive(struct edu *d, struct err *e)
{
	const uint32_t probe = 0x5a5a1234;
	uint32_t id = window_get32(&d->bar, EDU_ID);

	if ((id & EDU_ID_MASK) != EDU_ID_IS)
		return id == UINT32_MAX ? gone(e)
					: err_say(e, -ENODEV, "edu: identity is 0x%08x", id);
	window_put32(&d->bar, EDU_LIVENESS, probe);
	return window_get32(&d->bar, EDU_LIVENESS) == ~probe ? 0 : gone(e);
}

int edu_open(struct attachment *a, enum edu_irq irq, struct edu *ret, struct err *e)
{
	*ret = EDU_NONE;
	ret->at = a;
	ret->timeout_ms = EDU_TIMEOUT_MS;
	int r = attach_expect(a, EDU_VENDOR, EDU_DEVICE, e);
	if (r == 0)
		r = window_open(a, VFIO_PCI_BAR0_REGION_INDEX, EDU_BAR_SIZE, &ret->bar, e);
	if (r == 0)
		r = check_alive(ret, e);
	if (r == 0)
		r = dma_buf_new(a, 2 * EDU_MEMORY_SIZE, EDU_DMA_MASK, &ret->bounce, e);
	if (r == 0)
		r = irq_on(ret, irq, e);
	/* Only now: until here the device had no business with memory. */
	return r == 0 ? attach_master(a, true, e) : r;
}

void edu_close(struct edu *d)
{
	if (!d->at)
		return;
	(void)attach_master(d->at, false, NULL);
	if (d->irq != EDU_POLLED)
		(void)vfio_irq_disable(&d->at->dev, irq_index(d->irq));
	fd_close(&d->event_fd);
	(void)dma_buf_free(d->at, &d->bounce, NULL);
	window_close(&d->bar);
	*d = EDU_NONE;
}

int edu_factorial(struct edu *d, uint32_t n, uint32_t *ret, struct err *e)
{
	window_put32(&d->bar, EDU_STATUS, d->irq == EDU_POLLED ? 0 : EDU_STATUS_IRQ);
	window_put32(&d->bar, EDU_FACTORIAL, n);
	int r = d->irq == EDU_POLLED ? 0 : wait_irq(d, EDU_IRQ_FACTORIAL, "the factorial", e);
	if (r == 0)
		r = wait_clear(d, EDU_STATUS, EDU_STATUS_COMPUTING, "the factorial", e);
	if (r < 0)
		return r;
	*ret = window_get32(&d->bar, EDU_FACTORIAL);
	return 0;
}

/* One copy of the DMA engine, to its end. */
static int copy(
	struct edu *d, uint64_t from, uint64_t to, uint32_t len, uint32_t direction, struct err *e)
{
	uint32_t command = EDU_DMA_RUN | direction | (d->irq == EDU_POLLED ? 0 : EDU_DMA_IRQ);

	/* The masks of both ends lie below 2^32, so one word each is the whole address. */
	window_put32(&d->bar, EDU_DMA_SOURCE, (uint32_t)from);
	window_put32(&d->bar, EDU_DMA_TARGET, (uint32_t)to);
	window_put32(&d->bar, EDU_DMA_COUNT, len);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	window_put32(&d->bar, EDU_DMA_COMMAND, command);
	int r = d->irq == EDU_POLLED ? 0 : wait_irq(d, EDU_IRQ_DMA, "the copy", e);
	if (r == 0)
		r = wait_clear(d, EDU_DMA_COMMAND, EDU_DMA_RUN, "the copy", e);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return r;
}

int edu_read(struct edu *d, uint32_t off, void *data, uint32_t len, struct err *e)
{
	uint8_t mark[MARK_SIZE], *mem = d->bounce.mem;
	size_t marked = min_u64(len, MARK_SIZE);

	if (!len || !range_ok(off, len, EDU_MEMORY_USABLE))
		return err_set(e, -ERANGE, "edu: read %u bytes at %u", len, off);
	/* Random, so that data which happens to look like the mark is out of the question. */
	if (getrandom(mark, sizeof(mark), 0) != sizeof(mark))
		return err_set(e, -errno, "edu: a mark");
	memcpy(mem + len - marked, mark, marked);
	int r = copy(d, EDU_MEMORY + off, d->bounce.iova, len, EDU_DMA_FROM_DEVICE, e);
	if (r < 0)
		return r;
	if (marked == MARK_SIZE && memcmp(mem + len - marked, mark, marked) == 0)
		return err_say(
			e, -EIO, "edu: the device wrote less than the %u bytes asked for", len);
	memcpy(data, mem, len);
	return 0;
}

int edu_write(struct edu *d, uint32_t off, const void *data, uint32_t len, struct err *e)
{
	uint8_t *mem = d->bounce.mem, *back = mem + EDU_MEMORY_SIZE;

	if (!len || !range_ok(off, len, EDU_MEMORY_USABLE))
		return err_set(e, -ERANGE, "edu: write %u bytes at %u", len, off);
	memcpy(mem, data, len);
	int r = copy(d, d->bounce.iova, EDU_MEMORY + off, len, 0, e);
	if (r < 0)
		return r;
	memset(back, ~mem[len - 1], len);
	r = copy(
		d, EDU_MEMORY + off, d->bounce.iova + EDU_MEMORY_SIZE, len, EDU_DMA_FROM_DEVICE, e);
	if (r < 0)
		return r;
	return memcmp(mem, back, len) == 0
		       ? 0
		       : err_say(e, -EIO, "edu: the device took less than the %u bytes given", len);
}

int edu_interrupt(struct edu *d, uint32_t bits, struct err *e)
{
	window_put32(&d->bar, EDU_IRQ_RAISE, bits);
	return wait_irq(d, bits, "the request", e);
}

int edu_reset(struct edu *d, struct err *e)
{
	enum edu_irq irq = d->irq;

	if (irq != EDU_POLLED)
		(void)vfio_irq_disable(&d->at->dev, irq_index(irq));
	d->irq = EDU_POLLED;
	fd_close(&d->event_fd);
	int r = vfio_dev_reset(&d->at->dev, e);
	if (r == 0)
		r = attach_master(d->at, true, e);
	if (r == 0)
		r = check_alive(d, e);
	return r == 0 ? irq_on(d, irq, e) : r;
}
