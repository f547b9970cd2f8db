/* SPDX-License-Identifier: MIT */
#ifndef VMM_PANIC_H
#define VMM_PANIC_H

#include "base/log.h"
#include "vmm/bus.h"

#include <stdbool.h>
#include <stdint.h>

struct err;
struct vm;

/*
 * A kernel that panics is at its end, and so is the guest: a reboot would bring the next panic.
 * Two ways to hear of it: pvpanic, a port whose driver tells (ACPI device QEMU0001), and the
 * console. A panic before any driver is loaded, for want of a root file system, is on the console
 * alone: what is heard there counts when the guest then asks for a reset.
 *
 * Ref: QEMU docs/specs/pvpanic.
 * Context: any thread; panic_text() once no vCPU runs.
 */
#define PANIC_PORT 0x505
#define PANIC_TEXT 120

struct panic {
	struct bus_range range;
	struct vm *vm;
	struct lock lock; /* for what follows */
	unsigned matched; /* characters of the announcement, up to now */
	unsigned len;
	char text[PANIC_TEXT]; /* what the kernel said after the announcement */
	struct log_guest told;
	bool heard; /* on the console, since the guest has booted */
};

int panic_init(struct panic *p, struct vm *vm, struct err *e);

/* The guest boots again. */
void panic_reset(struct panic *p);

/* A byte that goes to the console. */
void panic_hear(struct panic *p, uint8_t byte);

/* What the kernel said, printable; "" when nothing was heard. */
const char *panic_text(const struct panic *p);

#endif
