/* SPDX-License-Identifier: MIT */
/* Faults that end a guest, and faults that are cured. */
#include "vmm/vm.h"

#include "suite.h"

#include <signal.h>
#include <string.h>

static struct vm vm;
static unsigned mapped; /* result of the next cure */
static unsigned faults;

static bool fault(struct vm *v)
{
	bool any = mapped;

	ck_assert_ptr_eq(v, &vm);
	ck_assert(lock_is_mine(&vm.cure));
	faults++;
	mapped = 0;
	return any;
}

static void setup(void)
{
	vm = (struct vm){.name = "t",
		.cure = LOCK_INIT(LOCK_CURE),
		.ending = PTHREAD_MUTEX_INITIALIZER,
		.fault = fault};
	ck_assert_int_eq(loop_init(&vm.loop, NULL), 0);
}

static void expect_end(enum vm_end end, const char *why)
{
	ck_assert_int_eq(vm_ended(&vm), end);
	ck_assert_str_eq(vm.why, why);
}

START_TEST(one_cure_is_for_all)
{
	setup();
	mapped = 1;
	uint64_t first = vm_cures(&vm), second = vm_cures(&vm);
	ck_assert(vm_cure(&vm, first));
	ck_assert(vm_cure(&vm, second)); /* nothing is left to cure, and nothing has to be */
	ck_assert_uint_eq(faults, 1);
	/* A second fault at once has another cause. */
	ck_assert(!vm_cure(&vm, vm_cures(&vm)));
	ck_assert(!vm_cure(&vm, vm_cures(&vm)));
	ck_assert_uint_eq(faults, 3);
	mapped = 1;
	ck_assert(vm_cure(&vm, vm_cures(&vm)));
}
END_TEST

/* Another thread removed the pages while this one waited for the lock. */
START_TEST(pages_that_went_meanwhile_are_cured)
{
	setup();
	uint64_t seen = vm_cures(&vm);
	vm_cured(&vm);
	ck_assert(vm_cure(&vm, seen));
	ck_assert_uint_eq(faults, 0);
	/* The fault counts as well, because pages must not vanish while they are mapped. */
	ck_assert_uint_eq(vm.faults, 1);
	ck_assert(!vm_cure(&vm, vm_cures(&vm)));
	ck_assert_uint_eq(vm.faults, 1);
}
END_TEST

START_TEST(without_devices_there_is_no_cure)
{
	setup();
	vm.fault = NULL;
	ck_assert(!vm_cure(&vm, vm_cures(&vm)));
}
END_TEST

START_TEST(the_first_end_counts)
{
	setup();
	vm_stop(&vm, VM_CRASHED, "crashed %u", 7U);
	vm_stop(&vm, VM_STOPPED, "stopped");
	vm_stop(&vm, VM_REBOOT, "rebooted");
	expect_end(VM_CRASHED, "crashed 7");
}
END_TEST

START_TEST(stopped_is_more_than_rebooted)
{
	setup();
	vm_stop(&vm, VM_REBOOT, "rebooted");
	vm_stop(&vm, VM_FAILED, "our own failure");
	expect_end(VM_REBOOT, "rebooted");
	vm_interrupt(&vm, SIGTERM, "stopped by signal 15");
	ck_assert_int_eq(vm.interrupted, SIGTERM);
	expect_end(VM_STOPPED, "stopped by signal 15");
	vm_stop(&vm, VM_REBOOT, "rebooted");
	expect_end(VM_STOPPED, "stopped by signal 15");
}
END_TEST

SUITE("vm", one_cure_is_for_all, pages_that_went_meanwhile_are_cured,
	without_devices_there_is_no_cure, the_first_end_counts, stopped_is_more_than_rebooted)
