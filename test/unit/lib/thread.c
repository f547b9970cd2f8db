/* SPDX-License-Identifier: MIT */
/*
 * Different devices in different threads, in one space and in spaces of their own. A race shows
 * seldom by itself: run this with meson setup -Db_sanitize=thread.
 */
#include "base/num.h"
#include "lib/plain_model.h"
#include "suite.h"

#include <pthread.h>
#include <string.h>
#include <usher/device.h>
#include <usher/dma.h>
#include <usher/err.h>
#include <usher/irq.h>
#include <usher/region.h>

#define THREADS 4
#define ROUNDS 500

struct worker {
	struct usher_space *space; /* NULL: a new one each time */
	const char *uri;
	unsigned number;
	struct usher_window regs; /* of the open device; closed with it */
	const char *failed; /* which call */
};

/* Each thread has its own device. The space, and the state of the models, may be shared. */
static const char *use(struct worker *w, struct usher_device *d)
{
	struct usher_buffer b = USHER_BUFFER_NONE;
	struct usher_space_info info;
	const uint32_t value = 0x1000 + w->number;
	uint32_t back = 0;

	if (usher_window_open(d, USHER_BAR(0), 0, 0, USHER_UNCACHED, &w->regs, NULL) < 0)
		return "a window";
	if (usher_buffer_alloc(usher_device_space(d), 8192, 0, &b, NULL) < 0)
		return "a buffer";
	if (usher_space_query(usher_device_space(d), &info, NULL) < 0 || !info.mappings)
		return "what the space says";
	if (usher_write32(&w->regs, PLAIN_ASK + 8, value) < 0 ||
		usher_read32(&w->regs, PLAIN_ASK + 8, &back) < 0 || back != value)
		return "a register";
	if (usher_irq_on(d, USHER_MSI, 1, NULL) < 0 || usher_irq_off(d, USHER_MSI, NULL) < 0)
		return "an interrupt";
	usher_buffer_free(&b);
	return NULL; /* the window is closed with the device */
}

static void *work(void *arg)
{
	struct worker *w = arg;

	for (unsigned i = 0; i < ROUNDS && !w->failed; i++) {
		struct usher_device *d = NULL;
		struct usher_err e = {0};
		if (usher_device_open(w->uri, w->space, &d, &e) < 0)
			w->failed = "the opening";
		else
			w->failed = use(w, d);
		usher_device_close(d);
	}
	return NULL;
}

static void run(struct usher_space *s)
{
	struct worker workers[THREADS];
	pthread_t threads[THREADS];

	plain_model_register();
	for (unsigned i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){.space = s, .uri = "model:plain", .number = i};
		ck_assert_int_eq(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
		ck_assert_msg(!workers[i].failed, "thread %u: %s failed", i, workers[i].failed);
	}
}

START_TEST(devices_share_a_space)
{
	struct usher_space *s = NULL;
	struct usher_space_info info;

	ck_assert_int_eq(usher_space_new(NULL, &s, NULL), 0);
	run(s);
	/* The last device has closed the I/O address space. */
	ck_assert_int_eq(usher_space_query(s, &info, NULL), -EINVAL);
	usher_space_free(s);
}
END_TEST

START_TEST(devices_have_spaces_of_their_own)
{
	run(NULL);
}
END_TEST

SUITE("lib_thread", devices_share_a_space, devices_have_spaces_of_their_own)
