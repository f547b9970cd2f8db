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
	bus_write(&vm.ports, PANIC_PORT, 1, 2);
	ck_assert_int_eq(vm_ended(&vm), VM_RUNNING);
	ck_assert(!panic.heard);
}
END_TEST

START_TEST(hears_the_announcement_alone)
{
	setup();
	hear("Kernel panicKernel panic - not synching\nKKernel panic\n");
	ck_assert(!panic.heard);
	ck_assert_str_eq(panic_text(&panic), "");
	hear("KKernel panic - not syncing: VFS:\x1b[31m no root\n more");
	ck_assert(panic.heard);
	ck_assert_str_eq(panic_text(&panic), ": VFS:[31m no root");
	panic_reset(&panic);
	ck_assert(!panic.heard);
	hear("Kernel panic - not syncing");
	for (unsigned i = 0; i < 1000; i++)
		hear("x");
	ck_assert_uint_eq(strlen(panic_text(&panic)), PANIC_TEXT - 1);
}
END_TEST

SUITE("panic", the_port_ends_the_guest, a_crash_kernel_may_go_on, hears_the_announcement_alone)
