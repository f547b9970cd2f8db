/* SPDX-License-Identifier: MIT */
#include "driver/edu.h"
#include "driver/edu_regs.h"
#include "model/edu.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <string.h>

#include "base/endian.h"
#include "base/err.h"
#include "suite.h"

/* The driver on the model, as a program would have it. */
struct bench {
	struct model_space space;
	struct model_edu model;
	struct attachment at;
	struct edu edu;
};

static struct bench b;
static struct err e;

static void set_up(enum edu_irq irq)
{
	struct vfio_container c;
	struct vfio_dev d;

	memset(&b, 0, sizeof(b));
	e = (struct err){0};
	model_edu_init(&b.model, &b.space);
	model_space_container(&b.space, &c);
	ck_assert_int_eq(model_device(&b.model.pci, &d, &e), 0);
	ck_assert_int_eq(attach_open(&c, &d, &b.at, &e), 0);
	ck_assert_msg(edu_open(&b.at, irq, &b.edu, &e) == 0, "%s", e.msg);
	b.edu.timeout_ms = 30;
}

static void tear_down(void)
{
	edu_close(&b.edu);
	ck_assert_uint_eq(b.space.count, 0);
	ck_assert_int_eq(le16_get(b.model.pci.config + PCI_COMMAND) & PCI_COMMAND_MASTER, 0);
	attach_close(&b.at);
	model_edu_fini(&b.model);
}

static const enum edu_irq ways[] = {EDU_POLLED, EDU_INTX, EDU_MSI};

START_TEST(computes_by_every_kind_of_interrupt)
{
	uint32_t n;

	for (unsigned i = 0; i < 3; i++) {
		set_up(ways[i]);
		/* Twice: a line that nobody unmasked would not signal again. */
		for (unsigned k = 0; k < 2; k++) {
			ck_assert_msg(edu_factorial(&b.edu, 10 + k, &n, &e) == 0, "%s", e.msg);
			ck_assert_uint_eq(n, k ? 39916800 : 3628800);
		}
		ck_assert_int_eq(edu_interrupt(&b.edu, 0x40, &e), 0);
		ck_assert_uint_eq(b.model.irq, 0);
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
		ck_assert_msg(edu_write(&b.edu, 0, out, sizeof(out), &e) == 0, "%s", e.msg);
		ck_assert_mem_eq(b.model.memory, out, sizeof(out));
		b.model.memory[100] ^= 1;
		ck_assert_int_eq(edu_read(&b.edu, 100, in, 17, &e), 0);
		ck_assert_int_eq(in[0], out[100] ^ 1);
		ck_assert_mem_eq(in + 1, out + 101, 16);
		ck_assert_uint_eq(b.space.faults, 0);
		tear_down();
	}
}
END_TEST

START_TEST(refuses_what_lies_outside)
{
	char buf[8];

	set_up(EDU_POLLED);
	ck_assert_int_eq(edu_read(&b.edu, 4090, buf, 7, &e), -ERANGE);
	ck_assert_int_eq(edu_write(&b.edu, 0, buf, 0, &e), -ERANGE);
	ck_assert_int_eq(edu_write(&b.edu, UINT32_MAX, buf, 8, &e), -ERANGE);
	tear_down();
}
END_TEST

START_TEST(no_dma_before_it_is_asked_for)
{
	char buf[32] = {0};

	set_up(EDU_POLLED);
	ck_assert_int_eq(attach_master(&b.at, false, &e), 0);
	ck_assert_int_eq(edu_read(&b.edu, 0, buf, sizeof(buf), &e), -EIO);
	ck_assert_uint_gt(b.model.pci.lost, 0);
	tear_down();
}
END_TEST

START_TEST(a_short_copy_is_an_error)
{
	char buf[256];

	memset(buf, 1, sizeof(buf));
	set_up(EDU_MSI);
	model_break(&b.model.pci, MODEL_FAULT_SHORT, 0, 1);
	ck_assert_int_eq(edu_write(&b.edu, 0, buf, sizeof(buf), &e), -EIO);
	model_break(&b.model.pci, MODEL_FAULT_SHORT, 0, 1);
	ck_assert_int_eq(edu_read(&b.edu, 0, buf, sizeof(buf), &e), -EIO);
	ck_assert_int_eq(edu_read(&b.edu, 0, buf, sizeof(buf), &e), 0);
	tear_down();
}
END_TEST

START_TEST(a_stuck_device_is_reset)
{
	char buf[64];
	uint32_t n;

	for (unsigned i = 0; i < 3; i++) {
		set_up(ways[i]);
		model_break(&b.model.pci, MODEL_FAULT_TIMEOUT, 0, 1);
		ck_assert_int_eq(edu_factorial(&b.edu, 5, &n, &e), -ETIMEDOUT);
		ck_assert_ptr_ne(strstr(e.msg, "the factorial"), NULL);
		ck_assert_msg(edu_reset(&b.edu, &e) == 0, "%s", e.msg);
		model_break(&b.model.pci, MODEL_FAULT_TIMEOUT, 0, 1);
		ck_assert_int_eq(edu_read(&b.edu, 0, buf, sizeof(buf), &e), -ETIMEDOUT);
		ck_assert_int_eq(edu_reset(&b.edu, &e), 0);
		ck_assert_uint_eq(b.model.pci.resets, 2);
		ck_assert_int_eq(edu_factorial(&b.edu, 5, &n, &e), 0);
		ck_assert_uint_eq(n, 120);
		ck_assert_int_eq(edu_read(&b.edu, 0, buf, sizeof(buf), &e), 0);
		tear_down();
	}
}
END_TEST

START_TEST(a_lost_interrupt_is_told)
{
	set_up(EDU_INTX);
	model_break(&b.model.pci, MODEL_FAULT_TIMEOUT, 0, 1);
	ck_assert_int_eq(edu_interrupt(&b.edu, 1, &e), -ETIMEDOUT);
	ck_assert_int_eq(edu_interrupt(&b.edu, 1, &e), 0);
	tear_down();
}
END_TEST

START_TEST(a_device_that_vanishes_is_gone)
{
	char buf[64];
	uint32_t n;

	for (unsigned i = 0; i < 3; i++) {
		set_up(ways[i]);
		model_break(&b.model.pci, MODEL_FAULT_VANISH, 0, 1);
		ck_assert_int_eq(edu_factorial(&b.edu, 5, &n, &e), -ENODEV);
		ck_assert_int_eq(edu_read(&b.edu, 0, buf, sizeof(buf), &e), -ENODEV);
		ck_assert_int_lt(edu_reset(&b.edu, &e), 0);
		edu_close(&b.edu);
		ck_assert_uint_eq(b.space.count, 0);
		attach_close(&b.at);
	}
}
END_TEST

START_TEST(too_little_lockable_memory_says_how_much)
{
	struct vfio_container c;
	struct vfio_dev d;

	memset(&b, 0, sizeof(b));
	model_edu_init(&b.model, &b.space);
	b.space.lock_limit = 4096;
	model_space_container(&b.space, &c);
	ck_assert_int_eq(model_device(&b.model.pci, &d, &e), 0);
	ck_assert_int_eq(attach_open(&c, &d, &b.at, &e), 0);
	ck_assert_int_eq(edu_open(&b.at, EDU_MSI, &b.edu, &e), -ENOMEM);
	ck_assert_ptr_ne(strstr(e.msg, "8192 bytes"), NULL);
	edu_close(&b.edu);
	ck_assert_uint_eq(b.space.count, 0);
}
END_TEST

START_TEST(another_device_is_refused)
{
	struct vfio_container c;
	struct vfio_dev d;

	memset(&b, 0, sizeof(b));
	model_edu_init(&b.model, &b.space);
	le16_put(b.model.pci.config + PCI_DEVICE_ID, 0x11e9);
	model_space_container(&b.space, &c);
	ck_assert_int_eq(model_device(&b.model.pci, &d, &e), 0);
	ck_assert_int_eq(attach_open(&c, &d, &b.at, &e), 0);
	ck_assert_int_eq(edu_open(&b.at, EDU_POLLED, &b.edu, &e), -ENODEV);
	ck_assert_str_eq(e.msg, "the device is 1234:11e9, this driver is for 1234:11e8");
	edu_close(&b.edu);
}
END_TEST

SUITE("edu", computes_by_every_kind_of_interrupt, copies_both_ways, refuses_what_lies_outside,
	no_dma_before_it_is_asked_for, a_short_copy_is_an_error, a_stuck_device_is_reset,
	a_lost_interrupt_is_told, a_device_that_vanishes_is_gone,
	too_little_lockable_memory_says_how_much, another_device_is_refused)
