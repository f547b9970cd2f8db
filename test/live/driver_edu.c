/* SPDX-License-Identifier: MIT */
/* Everything that the edu driver does, on a device that `usher exec` handed over. */
#include "driver/edu.h"
#include "regs/edu.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <usher/err.h>

static struct usher_err e;

static int fault(const char *what)
{
	(void)printf("%s: %s\n", what, e.msg);
	return 1;
}

static int copies(struct edu *d)
{
	uint8_t out[EDU_MEMORY_USABLE], in[EDU_MEMORY_USABLE];

	for (unsigned i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)(i * 13 + (i >> 8));
	if (edu_write(d, 0, out, sizeof(out), &e) < 0)
		return fault("to the device");
	if (edu_read(d, 1000, in, 3000, &e) < 0)
		return fault("from the device");
	return memcmp(in, out + 1000, 3000) ? fault("the data") : 0;
}

static int one_way(struct usher_device *dev, enum edu_irq irq, const char *name)
{
	struct edu d;
	uint32_t n = 0;
	int bad = 0;

	if (edu_open(dev, irq, &d, &e) < 0)
		bad = fault("open");
	for (unsigned i = 0; !bad && i < 3; i++)
		if (edu_factorial(&d, 12, &n, &e) < 0 || n != 479001600)
			bad = fault("factorial");
	if (!bad && edu_interrupt(&d, 0x20, &e) < 0)
		bad = fault("interrupt");
	if (!bad)
		bad = copies(&d);
	if (!bad && edu_reset(&d, &e) < 0 && e.code != -ENOTTY)
		bad = fault("reset");
	if (!bad && edu_factorial(&d, 5, &n, &e) < 0)
		bad = fault("after the reset");
	edu_close(&d);
	(void)printf("edu by %s: %s\n", name, bad ? "FAILED" : "ok");
	return bad;
}

int main(void)
{
	struct usher_device *dev;

	if (usher_device_inherit(NULL, NULL, &dev, &e) < 0)
		return fault("inherit");
	int bad = one_way(dev, EDU_POLLED, "polling");
	bad |= one_way(dev, EDU_INTX, "INTx");
	bad |= one_way(dev, EDU_MSI, "MSI");
	usher_device_close(dev);
	return bad;
}
