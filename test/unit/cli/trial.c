/* SPDX-License-Identifier: MIT */
#include "cli/trial.h"

#include "base/endian.h"
#include "host/host.h"
#include "pass/vfio_model.h"
#include "suite.h"
#include "view/card.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <string.h>
#include <time.h>

/* A device for a trial: one model, behind VFIO and behind sysfs. */
static struct {
	struct vfio_model model;
	struct host host;
	struct trial trial;
	struct card card;
	int reset_error;
	unsigned reset_ms; /* that a failing reset takes */
	void (*after_reset)(struct vfio_model *m);
	int irq_error;
} bench;

static ssize_t read_config(struct host *h, const char *path, void *buf, size_t size)
{
	if (bench.model.dead)
		memset(buf, 0xff, size);
	else
		memcpy(buf, bench.model.config, size);
	return (ssize_t)size;
}

static int irq_set(
	struct vfio_dev *d, uint32_t index, uint32_t start, const int *fds, uint32_t count)
{
	return bench.irq_error ? bench.irq_error
			       : vfio_model_ops.irq_set(d, index, start, fds, count);
}

static int reset(struct vfio_dev *d)
{
	const struct timespec pause = {.tv_nsec = bench.reset_ms * 1000000L};

	if (bench.reset_ms)
		(void)nanosleep(&pause, NULL);
	int r = bench.reset_error ? bench.reset_error : vfio_model_ops.reset(d);
	if (bench.after_reset)
		bench.after_reset(&bench.model);
	return r;
}

static void bench_set(void)
{
	static const struct host_ops host_ops = {.read = read_config};
	static struct vfio_dev_ops ops;
	struct trial *t = &bench.trial;

	memset(&bench, 0, sizeof(bench));
	vfio_model_load(&bench.model, suite_fixtures, "nvme");
	ops = vfio_model_ops;
	ops.irq_set = irq_set;
	ops.reset = reset;
	bench.host.ops = &host_ops;
	*t = (struct trial){
		.host = &bench.host,
		.card = &bench.card,
		.ioas = VFIO_IOAS_NONE,
	};
	bench.card.tried = true;
	ck_assert_int_eq(vfio_dev_from_model(&ops, &bench.model, &t->device, NULL), 0);
	ck_assert_int_eq(
		vfio_region_info(&t->device, VFIO_PCI_CONFIG_REGION_INDEX, &t->config, NULL), 0);
	trial_look(t);
}

static void bench_clear(void)
{
	trial_close(&bench.trial);
	vfio_model_free(&bench.model);
}

static void last_is(const char *name, enum card_mark mark, const char *text)
{
	ck_assert_uint_gt(bench.card.count, 0);
	const struct card_step *s = &bench.card.steps[bench.card.count - 1];

	ck_assert_str_eq(s->name, name);
	ck_assert_msg(s->mark == mark, "%s: %s", s->name, s->text);
	ck_assert_msg(strstr(s->text, text) != NULL, "%s: %s", s->name, s->text);
}

START_TEST(gives_a_good_device_a_good_card)
{
	bench_set();
	last_is("BARs", CARD_PASSED, "BAR 0 (16 KiB) answers");
	ck_assert(trial_reset(&bench.trial, "flr"));
	last_is("reset flr", CARD_PASSED, "as before");
	trial_interrupts(&bench.trial);
	last_is("INTx", CARD_PASSED, "the first of 1 reaches an eventfd");
	ck_assert_ptr_nonnull(strstr(bench.model.log, "set2:0+1 fire2:0 off2 "));
	/* The trial turns memory decoding on, and bus mastering never. */
	ck_assert_ptr_nonnull(strstr(bench.model.log, "cfg04="));
	ck_assert_uint_eq(bench.model.config[PCI_COMMAND] & PCI_COMMAND_MASTER, 0);
	ck_assert(card_passed(&bench.card));
	ck_assert_ptr_nonnull(strstr(card_verdict(&bench.card), "it survives"));
	bench_clear();
}
END_TEST

START_TEST(tells_a_reset_that_fails_from_one_that_is_none)
{
	bench_set();
	bench.reset_error = -ENOTTY;
	ck_assert(!trial_reset(&bench.trial, "bus"));
	last_is("reset bus", CARD_SKIPPED, "cannot be done here");
	ck_assert(!card_passed(&bench.card));
	ck_assert_ptr_nonnull(strstr(card_verdict(&bench.card), "every reset failed"));
	bench.reset_error = 0;
	ck_assert(trial_reset(&bench.trial, "flr"));
	ck_assert(card_passed(&bench.card));
	bench.reset_error = -EAGAIN;
	ck_assert(!trial_reset(&bench.trial, "pm"));
	last_is("reset pm", CARD_FAILED, "Resource temporarily unavailable");
	ck_assert(!card_passed(&bench.card));
	ck_assert_ptr_nonnull(strstr(card_verdict(&bench.card), "with care"));
	bench_clear();
}
END_TEST

static void falls_off_the_bus(struct vfio_model *m)
{
	m->dead = true;
}

static void loses_its_bars(struct vfio_model *m)
{
	memset(m->config + PCI_BASE_ADDRESS_0, 0, 8);
}

static void becomes_another(struct vfio_model *m)
{
	le16_put(m->config + PCI_DEVICE_ID, 0xffff);
}

static void goes_silent(struct vfio_model *m)
{
	memset(m->regions[0].memory, 0xff, 4);
}

static void fails_if_it(void (*does)(struct vfio_model *m), const char *text)
{
	bench_set();
	bench.after_reset = does;
	ck_assert(!trial_reset(&bench.trial, "flr"));
	last_is("reset flr", CARD_FAILED, text);
	ck_assert(!card_passed(&bench.card));
	bench_clear();
}

START_TEST(looks_after_each_reset)
{
	fails_if_it(falls_off_the_bus, "does not answer");
	fails_if_it(loses_its_bars, "its BARs are not where they were");
	fails_if_it(becomes_another, "another device now");
	fails_if_it(goes_silent, "BAR 0 does not answer any more");
}
END_TEST

/* A bus that was reset, and whose link did not come back, is ENOTTY as well. */
START_TEST(tells_a_reset_that_was_performed)
{
	bench_set();
	bench.reset_error = -ENOTTY;
	bench.reset_ms = 3;
	ck_assert(!trial_reset(&bench.trial, "bus"));
	last_is("reset bus", CARD_FAILED, "the kernel performed it");
	bench.reset_error = 0;
	ck_assert(trial_reset(&bench.trial, "flr"));
	ck_assert(!card_passed(&bench.card));
	bench_clear();
}
END_TEST

/* Whatever the kernel returned, the device has the last word. */
START_TEST(looks_after_a_reset_that_failed)
{
	static const int errors[] = {-ENOTTY, -EAGAIN, -ETIMEDOUT};

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		bench_set();
		bench.after_reset = falls_off_the_bus;
		bench.reset_error = errors[i];
		ck_assert(!trial_reset(&bench.trial, "bus"));
		last_is("reset bus", CARD_FAILED, "then: ");
		last_is("reset bus", CARD_FAILED, "does not answer");
		ck_assert(!card_passed(&bench.card));
		bench_clear();
	}
}
END_TEST

START_TEST(says_which_interrupt_does_not_come)
{
	bench_set();
	bench.irq_error = -ENOSPC;
	trial_interrupts(&bench.trial);
	last_is("INTx", CARD_FAILED, "No space left");
	bench.irq_error = 0;
	memset(bench.model.irqs, 0, sizeof(bench.model.irqs));
	trial_interrupts(&bench.trial);
	last_is("interrupts", CARD_SKIPPED, "the device has none");
	bench_clear();
}
END_TEST

START_TEST(has_a_verdict_for_what_was_not_tried)
{
	struct card c = {0};

	ck_assert_str_eq(card_verdict(&c), "it was not tried");
	c.tried = true;
	ck_assert_ptr_nonnull(strstr(card_verdict(&c), "no way to be reset"));
	for (unsigned i = 0; i < 2 * CARD_STEPS_MAX; i++)
		card_add(&c, "a name that is much too long for its place", CARD_PASSED, 0, "%u", i);
	ck_assert_uint_eq(c.count, CARD_STEPS_MAX);
	ck_assert(!card_passed(&c));
}
END_TEST

SUITE("trial", gives_a_good_device_a_good_card, tells_a_reset_that_fails_from_one_that_is_none,
	looks_after_each_reset, tells_a_reset_that_was_performed, looks_after_a_reset_that_failed,
	says_which_interrupt_does_not_come, has_a_verdict_for_what_was_not_tried)
