/* SPDX-License-Identifier: MIT */
/* A whole driver: QEMU's educational device computes, and sends an MSI when it is done. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <usher/device.h>
#include <usher/err.h>
#include <usher/irq.h>
#include <usher/region.h>

enum { FACTORIAL = 0x08, STATUS = 0x20, STATUS_INTERRUPTS = 0x80 }; /* QEMU docs/specs/edu */

static int compute_factorial(struct usher_device *dev, struct usher_window *regs, uint32_t n,
	uint32_t *ret, struct usher_err *e)
{
	int r = usher_irq_on(dev, USHER_MSI, 1, e);

	if (r < 0)
		return r;
	r = usher_device_master_on(dev, e); /* an MSI is a write to memory */
	if (r < 0)
		return r;
	(void)usher_write32(regs, STATUS, STATUS_INTERRUPTS);
	(void)usher_write32(regs, FACTORIAL, n);
	if (usher_irq_wait(dev, USHER_MSI, 0, 2000) > 0 && usher_read32(regs, FACTORIAL, ret) == 0)
		return 0;
	(void)snprintf(e->msg, sizeof(e->msg), "the device does not answer");
	return -ETIMEDOUT;
}

int main(int argc, char **argv)
{
	uint32_t n = argc > 1 ? (uint32_t)atoi(argv[1]) : 10, product = 0;
	struct usher_window regs = USHER_WINDOW_NONE;
	struct usher_device *dev = NULL;
	struct usher_err e = {0};

	if (usher_device_inherit(NULL, NULL, &dev, &e) < 0 ||
		usher_window_open(dev, USHER_BAR(0), 0, 0, USHER_UNCACHED, &regs, &e) < 0 ||
		compute_factorial(dev, &regs, n, &product, &e) < 0) {
		(void)fprintf(stderr, "edu-factorial: %s\n%s\n", e.msg, e.hint);
		usher_device_close(dev);
		return 1;
	}
	(void)printf("%u! = %u (modulo 2^32)\n", n, product);
	usher_device_close(dev); /* and its window */
	return 0;
}
