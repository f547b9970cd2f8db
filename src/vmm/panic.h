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
 * A panic of the kernel ends the guest, since after a reboot the kernel would panic again.
 * usher-vmm learns of a panic in two ways: from the driver of pvpanic, a port (ACPI device
 * QEMU0001), and from the text on the console. A panic before any driver is loaded, for example
 * without a root file system, shows on the console alone. A text alone does not end the guest; it
 * turns a reset that follows into a crash.
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
	bool heard; /* a panic on the console, since the guest booted */
};

int panic_init(struct panic *p, struct vm *vm, struct err *e);

/* The guest boots again. */
void panic_reset(struct panic *p);

/* A byte that goes to the console. */
void panic_hear(struct panic *p, uint8_t byte);

/* Return: what the kernel said, printable; "" without a panic. */
const char *panic_text(const struct panic *p);

#endif
