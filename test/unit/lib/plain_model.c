/* SPDX-License-Identifier: MIT */
#include "lib/plain_model.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static int plain_init(struct usher_model_device *d, const char *arguments, void **ret_state)
{
	(void)d;
	(void)arguments;
	*ret_state = calloc(1, 4096);
	return *ret_state ? 0 : -1;
}

static void plain_fini(struct usher_model_device *d, void *state)
{
	(void)d;
	free(state);
}

static void plain_reset(struct usher_model_device *d, void *state)
{
	(void)d;
	memset(state, 0, 4096);
}

static uint64_t plain_read(
	struct usher_model_device *d, void *state, unsigned bar, uint64_t off, unsigned size)
{
	uint64_t v = 0;

	(void)d;
	(void)bar;
	memcpy(&v, (char *)state + off, size);
	return v;
}

static void plain_write(struct usher_model_device *d, void *state, unsigned bar, uint64_t off,
	unsigned size, uint64_t value)
{
	(void)bar;
	memcpy((char *)state + off, &value, size);
	if (off != PLAIN_ASK)
		return;
	switch (value) {
	case PLAIN_RAISE_MSI:
		usher_model_msi(d, 0);
		break;
	case PLAIN_RAISE_INTX:
	case PLAIN_LOWER_INTX:
		usher_model_intx(d, value == PLAIN_RAISE_INTX);
		break;
	case PLAIN_VANISH:
		usher_model_vanish(d);
		break;
	case PLAIN_REQUEST:
		usher_model_request(d);
		break;
	case PLAIN_ERROR:
		usher_model_error(d);
		break;
	default:
		break;
	}
}

static const struct usher_model_ops ops = {
	.init = plain_init,
	.fini = plain_fini,
	.reset = plain_reset,
	.read = plain_read,
	.write = plain_write,
};

static const struct usher_model plain = {
	.name = "plain",
	.shape = {.vendor = 0x1b36,
		.device = 0x7777,
		.class_code = 0xff0000,
		.bar_size = {4096, 0, 8192},
		.bar_memory = 1 << 2,
		.intx = 1,
		.msi = 4,
		.msix = 8,
		.express = 1},
	.ops = &ops,
};

void plain_model_register(void)
{
	ck_assert_int_eq(usher_model_register(&plain), 0);
}
