/* SPDX-License-Identifier: MIT */
/* A whole driver: QEMU's teaching device computes, and says by an MSI when it is done. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <usher/device.h>
#include <usher/err.h>
#include <usher/irq.h>
#include <usher/region.h>

enum { FACTORIAL = 0x08, STATUS = 0x20, STATUS_INTERRUPTS = 0x80 }; /* QEMU docs/specs/edu */

static int factorial(struct usher_device *dev, uint32_t n, uint32_t *ret, struct usher_err *e)
{
	struct usher_window regs = USHER_WINDOW_NONE;

	int r = usher_window_open(dev, USHER_BAR(0), 0, 0, USHER_UNCACHED, &regs, e);
	if (r == 0)
		r = usher_irq_on(dev, USHER_MSI, 1, e);
	if (r == 0)
		r = usher_device_master_on(dev, e); /* an MSI is a write to memory */
	if (r == 0) {
		(void)usher_write32(&regs, STATUS, STATUS_INTERRUPTS);
		(void)usher_write32(&regs, FACTORIAL, n);
		r = usher_irq_wait(dev, USHER_MSI, 0, 2000) > 0 ? 0 : -ETIMEDOUT;
		if (r == 0)
			r = usher_read32(&regs, FACTORIAL, ret);
		if (r < 0)
			(void)snprintf(e->msg, sizeof(e->msg), "no answer: %s", strerror(-r));
	}
	usher_window_close(&regs);
	return r;
}

int main(int argc, char **argv)
{
	uint32_t n = argc > 1 ? (uint32_t)atoi(argv[1]) : 10, product = 0;
	struct usher_device *dev = NULL;
	struct usher_err e = {0};

	int r = usher_device_inherit(NULL, NULL, &dev, &e);
	if (r == 0)
		r = factorial(dev, n, &product, &e);
	if (r == 0)
		(void)printf("%u! = %u (modulo 2^32)\n", n, product);
	else
		(void)fprintf(stderr, "edu-factorial: %s\n%s\n", e.msg, e.hint);
	usher_device_close(dev);
	return r < 0;
}
