/* SPDX-License-Identifier: MIT */
#include "vmm/panic.h"

#include "suite.h"
#include "vmm/vm.h"

#include <pthread.h>
#include <string.h>

static struct vm vm;
static struct panic panic;

static void setup(void)
{
	vm = (struct vm){.name = "t", .ports = {.name = "ports"}};
	ck_assert_int_eq(loop_init(&vm.loop, NULL), 0);
	ck_assert_int_eq(panic_init(&panic, &vm, NULL), 0);
}

static void hear(const char *text)
{
	while (*text)
		panic_hear(&panic, (uint8_t)*text++);
}

START_TEST(the_port_ends_the_guest)
{
	setup();
	ck_assert_uint_eq(bus_read(&vm.ports, PANIC_PORT, 1), 3);
	bus_write(&vm.ports, PANIC_PORT, 1, 4);
	ck_assert_int_eq(vm_ended(&vm), VM_RUNNING);
	hear("[  1.0] Kernel panic - not syncing: Fatal exception\r\n---[ end");
	bus_write(&vm.ports, PANIC_PORT, 1, 1);
	ck_assert_int_eq(vm_ended(&vm), VM_CRASHED);
	ck_assert_str_eq(vm.why, "its kernel panicked: Fatal exception");
}
END_TEST

START_TEST(a_crash_kernel_may_go_on)
{
	setup();
	hear("Kernel panic - not syncing: sysrq\n");
	ck_assert(panic_heard(&panic));
	bus_write(&vm.ports, PANIC_PORT, 1, 2);
	ck_assert_int_eq(vm_ended(&vm), VM_RUNNING);
	ck_assert(!panic_heard(&panic));
}
END_TEST

START_TEST(hears_the_kernel_alone)
{
	setup();
	hear("Kernel panicKernel panic - not synching\nKKernel panic - not syncing: x\n");
	hear("[    1.0] systemd[1]: Kernel panic - not syncing: quoted\n");
	hear("\"Kernel panic - not syncing\" is in the log\n[x] Kernel panic - not syncing\n");
	ck_assert(!panic_heard(&panic));
	ck_assert_str_eq(panic_text(&panic), "");
	hear("[    1.234567][    T1] Kernel panic - not syncing: VFS:\x1b[31m no root\r\n more");
	ck_assert(panic_heard(&panic));
	ck_assert_str_eq(panic_text(&panic), ": VFS:[31m no root");
	panic_reset(&panic);
	ck_assert(!panic_heard(&panic));
	hear("Kernel panic - not syncing");
	for (unsigned i = 0; i < 1000; i++)
		hear("x");
	ck_assert(panic_heard(&panic));
	ck_assert_uint_eq(strlen(panic_text(&panic)), PANIC_TEXT - 1);
}
END_TEST

/* An old log on the console, and then an orderly reboot. */
START_TEST(an_announced_reboot_follows_from_no_panic)
{
	setup();
	hear("[  1.0] Kernel panic - not syncing: of yesterday\n");
	hear("[ 99.123456] reboot: Restarting system\r\n");
	ck_assert(!panic_heard(&panic));
	ck_assert(panic.parted);
	panic_reset(&panic);
	ck_assert(!panic.parted);
}
END_TEST

/* Its driver would have told of a real one. */
START_TEST(the_port_is_the_truth_where_it_has_a_driver)
{
	setup();
	ck_assert_uint_eq(bus_read(&vm.ports, PANIC_PORT, 1), 3);
	hear("Kernel panic - not syncing: says a shell\n");
	ck_assert(!panic_heard(&panic));
	panic_reset(&panic);
	hear("Kernel panic - not syncing: before any driver\n");
	ck_assert(panic_heard(&panic));
}
END_TEST

SUITE("panic", the_port_ends_the_guest, a_crash_kernel_may_go_on, hears_the_kernel_alone,
	an_announced_reboot_follows_from_no_panic, the_port_is_the_truth_where_it_has_a_driver)
