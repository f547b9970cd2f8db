/* SPDX-License-Identifier: MIT */
#include "vmm/reboot.h"

#include "suite.h"
#include "vmm/vm.h"

#include <stdio.h>
#include <string.h>

static struct vm vm;

static void set_end(enum vm_end end, bool triple_fault, bool heard)
{
	vm.end = end;
	vm.triple_fault = triple_fault;
	vm.panic = (struct panic){.lock = LOCK_INIT(LOCK_PANIC), .heard = heard};
	(void)snprintf(vm.why, sizeof(vm.why), "%s", triple_fault ? "reset" : "rebooted");
}

START_TEST(only_a_reset_starts_it_again)
{
	struct reboots r = {0};

	reboots_start(&r);
	set_end(VM_POWEROFF, false, false);
	ck_assert(!reboots_again(&r, &vm));
	ck_assert_int_eq(vm.end, VM_POWEROFF);
	set_end(VM_REBOOT, false, false);
	ck_assert(reboots_again(&r, &vm));
	set_end(VM_REBOOT, false, true);
	ck_assert(!reboots_again(&r, &vm));
	ck_assert_int_eq(vm.end, VM_CRASHED);
	ck_assert_ptr_nonnull(strstr(vm.why, "its kernel panicked"));
}
END_TEST

START_TEST(two_early_faults_in_a_row_end_it)
{
	struct reboots r = {0};

	reboots_start(&r);
	set_end(VM_REBOOT, true, false);
	ck_assert(reboots_again(&r, &vm));
	/* A reboot in between, or a fault of a kernel that has run for a while. */
	set_end(VM_REBOOT, false, false);
	vm.panic.parted = true;
	ck_assert(reboots_again(&r, &vm));
	set_end(VM_REBOOT, true, false);
	ck_assert(reboots_again(&r, &vm));
	r.booted.tv_sec -= 60;
	ck_assert(reboots_again(&r, &vm));
	reboots_start(&r);
	ck_assert(reboots_again(&r, &vm));
	ck_assert(!reboots_again(&r, &vm));
	ck_assert_int_eq(vm.end, VM_CRASHED);
	ck_assert_str_eq(vm.why, "reset; it had one at each of its last 2 starts");
}
END_TEST

/* As a panic looks without a console. A reboot that the kernel announces is none of them. */
START_TEST(three_early_resets_in_a_row_end_it)
{
	struct reboots r = {0};

	for (unsigned i = 0; i < 9; i++) {
		reboots_start(&r);
		set_end(VM_REBOOT, false, false);
		vm.panic.parted = i % 3 == 0;
		ck_assert(reboots_again(&r, &vm));
	}
	reboots_start(&r);
	set_end(VM_REBOOT, false, false);
	ck_assert(!reboots_again(&r, &vm));
	ck_assert_int_eq(vm.end, VM_CRASHED);
	ck_assert_ptr_nonnull(strstr(vm.why, "it reset itself 3 times"));
}
END_TEST

/* Faults and resets by turns: none of them twice in a row. */
START_TEST(early_deaths_of_both_kinds_count_together)
{
	struct reboots r = {0};

	for (unsigned i = 0; i < 2; i++) {
		reboots_start(&r);
		set_end(VM_REBOOT, i == 0, false);
		ck_assert(reboots_again(&r, &vm));
	}
	reboots_start(&r);
	set_end(VM_REBOOT, true, false);
	ck_assert(!reboots_again(&r, &vm));
	ck_assert_int_eq(vm.end, VM_CRASHED);
	ck_assert_ptr_nonnull(strstr(vm.why, "it reset itself 3 times"));
}
END_TEST

/* Three within seconds are a person's wish, and so is one after a panic that hangs. */
START_TEST(commanded_resets_do_not_count)
{
	struct reboots r = {0};

	for (unsigned i = 0; i < 9; i++) {
		reboots_start(&r);
		set_end(VM_REBOOT, false, i == 4);
		vm.commanded = true;
		ck_assert(reboots_again(&r, &vm));
	}
	vm.commanded = false;
}
END_TEST

SUITE("reboot", early_deaths_of_both_kinds_count_together, three_early_resets_in_a_row_end_it,
	only_a_reset_starts_it_again, two_early_faults_in_a_row_end_it,
	commanded_resets_do_not_count)
