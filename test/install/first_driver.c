/* SPDX-License-Identifier: MIT */
/* What a user of the installed library would write first; every header, a model, no hardware. */
#include <stdio.h>
#include <stdlib.h>
#include <usher/device.h>
#include <usher/dma.h>
#include <usher/err.h>
#include <usher/irq.h>
#include <usher/model.h>
#include <usher/region.h>
#include <usher/space.h>

static uint64_t read_one(
	struct usher_model_device *d, void *state, unsigned bar, uint64_t off, unsigned size)
{
	(void)d, (void)state, (void)bar, (void)size;
	return off + 1;
}

static void write_none(struct usher_model_device *d, void *state, unsigned bar, uint64_t off,
	unsigned size, uint64_t value)
{
	(void)d, (void)state, (void)bar, (void)off, (void)size, (void)value;
}

static const struct usher_model_ops ops = {.read = read_one, .write = write_none};
static const struct usher_model first = {.name = "first",
	.shape = {.vendor = 0x1234, .device = 1, .bar_size = {4096}, .msi = 1},
	.ops = &ops};

static struct usher_window w = USHER_WINDOW_NONE;
static struct usher_buffer b = USHER_BUFFER_NONE;

int main(void)
{
	struct usher_device *d = NULL;
	struct usher_err e;
	uint32_t v = 0;

	if (usher_model_register(&first) < 0 ||
		usher_device_open("model:first", NULL, &d, &e) < 0 ||
		usher_window_open(d, USHER_BAR(0), 0, 0, USHER_UNCACHED, &w, &e) < 0 ||
		usher_buffer_alloc(usher_device_space(d), 4096, 0, &b, &e) < 0 ||
		usher_irq_on(d, USHER_MSI, 1, &e) < 0 || usher_read32(&w, 8, &v) < 0) {
		(void)fprintf(stderr, "%s\n", e.msg);
		return EXIT_FAILURE;
	}
	printf("register 8 is %u\n", v);
	usher_buffer_free(&b);
	usher_device_close(d);
	return v == 9 ? EXIT_SUCCESS : EXIT_FAILURE;
}
