/* SPDX-License-Identifier: MIT */
#include "driver/edu.h"

#include "model/edu.h"
#include "model/host.h"
#include "regs/edu.h"
#include "suite.h"

#include <errno.h>
#include <string.h>
#include <usher/err.h>

/* The driver on the model, opened in the same way as by a program. */
static struct usher_device *dev;
static struct usher_model_device *host;
static struct model_edu *model;
static struct edu edu;
static struct usher_err e;

static void attach(const char *uri)
{
	e = (struct usher_err){0};
	ck_assert_msg(usher_device_open(uri, NULL, &dev, &e) == 0, "%s", e.msg);
	host = usher_model_of(dev);
	model = usher_model_state(host);
}

static void set_up_at(const char *uri, enum edu_irq irq)
{
	attach(uri);
	ck_assert_msg(edu_open(dev, irq, &edu, &e) == 0, "%s", e.msg);
	edu.timeout_ms = 30;
}

static void set_up(enum edu_irq irq)
{
	set_up_at("model:edu", irq);
}

static void tear_down(void)
{
	edu_close(&edu);
	ck_assert_uint_eq(host->container->count, 0);
	ck_assert(host->gone || !model_config_master(host));
	dev = usher_device_close(dev);
}

static const enum edu_irq ways[] = {EDU_POLLED, EDU_INTX, EDU_MSI};

START_TEST(computes_by_every_kind_of_interrupt)
{
	uint32_t n;

	for (unsigned i = 0; i < 3; i++) {
		set_up(ways[i]);
		/* Twice: INTx that is still masked would not signal again. */
		for (unsigned k = 0; k < 2; k++) {
			ck_assert_msg(edu_factorial(&edu, 10 + k, &n, &e) == 0, "%s", e.msg);
			ck_assert_uint_eq(n, k ? 39916800 : 3628800);
		}
		ck_assert_int_eq(edu_interrupt(&edu, 0x40, &e), 0);
		ck_assert_uint_eq(model->irq, 0);
		tear_down();
	}
}
END_TEST

START_TEST(copies_both_ways)
{
	char out[EDU_MEMORY_USABLE], in[EDU_MEMORY_USABLE];

	for (unsigned i = 0; i < 3; i++) {
		set_up(ways[i]);
		for (unsigned k = 0; k < sizeof(out); k++)
			out[k] = (char)(k * 7 + i);
		ck_assert_msg(edu_write(&edu, 0, out, sizeof(out), &e) == 0, "%s", e.msg);
		ck_assert_mem_eq(model->memory, out, sizeof(out));
		model->memory[100] ^= 1;
		ck_assert_int_eq(edu_read(&edu, 100, in, 17, &e), 0);
		ck_assert_int_eq(in[0], out[100] ^ 1);
		ck_assert_mem_eq(in + 1, out + 101, 16);
		ck_assert_uint_eq(host->dma_faults, 0);
		tear_down();
	}
}
END_TEST

START_TEST(refuses_what_lies_outside)
{
	char buf[8];

	set_up(EDU_POLLED);
	ck_assert_int_eq(edu_read(&edu, 4090, buf, 7, &e), -ERANGE);
	ck_assert_int_eq(edu_write(&edu, 0, buf, 0, &e), -ERANGE);
	ck_assert_int_eq(edu_write(&edu, UINT32_MAX, buf, 8, &e), -ERANGE);
	tear_down();
}
END_TEST

START_TEST(no_dma_before_it_is_asked_for)
{
	char buf[32] = {0};

	set_up(EDU_POLLED);
	ck_assert_int_eq(usher_device_master_off(dev, &e), 0);
	ck_assert_int_eq(edu_read(&edu, 0, buf, sizeof(buf), &e), -EIO);
	ck_assert_uint_gt(host->dma_lost, 0);
	tear_down();
}
END_TEST

START_TEST(a_short_copy_is_an_error)
{
	char buf[256];

	memset(buf, 1, sizeof(buf));
	set_up(EDU_MSI);
	usher_model_break(host, USHER_FAULT_SHORT, 0, 1);
	ck_assert_int_eq(edu_write(&edu, 0, buf, sizeof(buf), &e), -EIO);
	usher_model_break(host, USHER_FAULT_SHORT, 0, 1);
	ck_assert_int_eq(edu_read(&edu, 0, buf, sizeof(buf), &e), -EIO);
	ck_assert_int_eq(edu_read(&edu, 0, buf, sizeof(buf), &e), 0);
	tear_down();
}
END_TEST

START_TEST(works_on_where_there_is_no_reset)
{
	uint32_t n = 0;

	for (unsigned i = 0; i < 3; i++) {
		set_up_at("model:edu,noreset", ways[i]);
		ck_assert_int_eq(edu_reset(&edu, &e), -ENOTTY);
		ck_assert_int_eq(edu_factorial(&edu, 5, &n, &e), 0);
		ck_assert_uint_eq(n, 120);
		tear_down();
	}
}
END_TEST

START_TEST(a_stuck_device_is_reset)
{
	char buf[64];
	uint32_t n;

	for (unsigned i = 0; i < 3; i++) {
		set_up(ways[i]);
		usher_model_break(host, USHER_FAULT_TIMEOUT, 0, 1);
		ck_assert_int_eq(edu_factorial(&edu, 5, &n, &e), -ETIMEDOUT);
		ck_assert_ptr_ne(strstr(e.msg, "the factorial"), NULL);
		ck_assert_msg(edu_reset(&edu, &e) == 0, "%s", e.msg);
		usher_model_break(host, USHER_FAULT_TIMEOUT, 0, 1);
		ck_assert_int_eq(edu_read(&edu, 0, buf, sizeof(buf), &e), -ETIMEDOUT);
		ck_assert_int_eq(edu_reset(&edu, &e), 0);
		ck_assert_uint_eq(host->resets, 2);
		ck_assert_int_eq(edu_factorial(&edu, 5, &n, &e), 0);
		ck_assert_uint_eq(n, 120);
		ck_assert_int_eq(edu_read(&edu, 0, buf, sizeof(buf), &e), 0);
		tear_down();
	}
}
END_TEST

START_TEST(a_lost_interrupt_is_told)
{
	set_up(EDU_INTX);
	usher_model_break(host, USHER_FAULT_TIMEOUT, 0, 1);
	ck_assert_int_eq(edu_interrupt(&edu, 1, &e), -ETIMEDOUT);
	ck_assert_int_eq(edu_interrupt(&edu, 1, &e), 0);
	tear_down();
}
END_TEST

START_TEST(a_device_that_vanishes_is_gone)
{
	char buf[64];
	uint32_t n;

	for (unsigned i = 0; i < 3; i++) {
		set_up(ways[i]);
		usher_model_break(host, USHER_FAULT_VANISH, 0, 1);
		ck_assert_int_eq(edu_factorial(&edu, 5, &n, &e), -ENODEV);
		ck_assert_int_eq(edu_read(&edu, 0, buf, sizeof(buf), &e), -ENODEV);
		ck_assert_int_lt(edu_reset(&edu, &e), 0);
		ck_assert(usher_device_gone(dev));
		tear_down();
	}
}
END_TEST

START_TEST(too_little_lockable_memory_says_how_much)
{
	attach("model:edu");
	host->container->lock_limit = 4096;
	ck_assert_int_eq(edu_open(dev, EDU_MSI, &edu, &e), -ENOMEM);
	ck_assert_ptr_ne(strstr(e.msg, "8192 bytes"), NULL);
	tear_down();
}
END_TEST

START_TEST(another_device_is_refused)
{
	attach("model:nvme");
	ck_assert_int_eq(edu_open(dev, EDU_POLLED, &edu, &e), -ENODEV);
	ck_assert_str_eq(e.msg, "the device is 1b36:0010, this driver is for 1234:11e8");
	tear_down();
}
END_TEST

/* A program that inherits a model behaves like one that inherits a device. */
START_TEST(breaks_by_its_name)
{
	uint32_t n;

	attach("model:edu,fault=vanish,after=1");
	ck_assert_msg(edu_open(dev, EDU_MSI, &edu, &e) == 0, "%s", e.msg);
	ck_assert_int_eq(edu_factorial(&edu, 5, &n, &e), 0);
	ck_assert_int_eq(edu_factorial(&edu, 5, &n, &e), -ENODEV);
	edu_close(&edu);
	dev = usher_device_close(dev);
	ck_assert_int_eq(usher_device_open("model:edu,fault=boredom", NULL, &dev, &e), -EINVAL);
	ck_assert_int_eq(usher_device_open("model:edu,after=x", NULL, &dev, &e), -EINVAL);
}
END_TEST

SUITE("edu", computes_by_every_kind_of_interrupt, copies_both_ways, refuses_what_lies_outside,
	no_dma_before_it_is_asked_for, a_short_copy_is_an_error, works_on_where_there_is_no_reset,
	a_stuck_device_is_reset, a_lost_interrupt_is_told, a_device_that_vanishes_is_gone,
	too_little_lockable_memory_says_how_much, another_device_is_refused, breaks_by_its_name)
