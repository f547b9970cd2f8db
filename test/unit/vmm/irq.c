/* SPDX-License-Identifier: MIT */
/* GSIs and routes without KVM: all calls of KVM fail, and the tables stay correct. */
#include "vmm/irq.h"

#include "suite.h"

#include <errno.h>

static struct irq q;

START_TEST(numbers_come_back)
{
	ck_assert_int_eq(irq_init(&q, -1, NULL), -EBADF);
	int first = irq_alloc(&q), second = irq_alloc(&q);
	ck_assert_int_eq(first, IRQ_PINS);
	ck_assert_int_ne(second, first);
	irq_free(&q, first);
	ck_assert_int_eq(irq_alloc(&q), first);
	/* The number of routes: 16 disks with 65 vectors need 1040. */
	ck_assert_int_eq(IRQ_GSI_MAX, 4096);
	for (int gsi = second + 1; gsi < IRQ_GSI_MAX; gsi++)
		ck_assert_int_eq(irq_alloc(&q), gsi);
	ck_assert_int_eq(irq_alloc(&q), -ENOSPC);
	irq_free(&q, IRQ_GSI_MAX); /* none of ours */
	irq_free(&q, 3);
	ck_assert(q.routes[3].used);
	irq_fini(&q);
}
END_TEST

START_TEST(numbers_outlive_a_reboot)
{
	ck_assert_int_eq(irq_init(&q, -1, NULL), -EBADF);
	int gsi = irq_alloc(&q);
	irq_route(&q, gsi, 0xfee00000, 0x41);
	q.dirty = false;
	ck_assert_int_eq(irq_renew(&q, -1, NULL), -EBADF);
	ck_assert(!q.routes[gsi].routed);
	ck_assert(q.routes[0].used);
	ck_assert_int_ne(irq_alloc(&q), gsi);
	/* The new VM does not have the old route, so it must be set again. */
	q.dirty = false;
	irq_route(&q, gsi, 0xfee00000, 0x41);
	ck_assert(q.dirty);
	irq_fini(&q);
}
END_TEST

SUITE("irq", numbers_come_back, numbers_outlive_a_reboot)
