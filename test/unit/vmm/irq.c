/* SPDX-License-Identifier: MIT */
/* GSIs and routes without KVM: every call of KVM fails, and the bookkeeping stays right. */
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
	/* As many as KVM has routes: 16 disks of 65 vectors are 1040. */
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
	/* The same route as before is one that the new VM does not know. */
	q.dirty = false;
	irq_route(&q, gsi, 0xfee00000, 0x41);
	ck_assert(q.dirty);
	irq_fini(&q);
}
END_TEST

SUITE("irq", numbers_come_back, numbers_outlive_a_reboot)
