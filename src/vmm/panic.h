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
 * QEMU0001), and from a line on the console. A panic before any driver is loaded, for example
 * without a root file system, shows on the console alone. A line alone does not end the guest; it
 * turns a reset that follows into a crash, unless the kernel announces a reboot in between, or has
 * the driver: then it would have used that.
 *
 * Ref: QEMU docs/specs/pvpanic.
 * Context: any thread; panic_text() once no vCPU runs.
 */
#define PANIC_PORT 0x505
#define PANIC_TEXT 120
#define PANIC_LINE 192

struct panic {
	struct bus_range range;
	struct vm *vm;
	struct lock lock; /* for what follows */
	unsigned len;
	char line[PANIC_LINE]; /* of the console, as far as it has come; printable */
	char text[PANIC_TEXT]; /* what the kernel said after the announcement */
	struct log_guest told;
	/* Since the guest booted: */
	bool heard; /* a panic on the console */
	bool driver; /* of pvpanic: the port tells, not the console */
	bool parted; /* the kernel has announced a reboot */
};

int panic_init(struct panic *p, struct vm *vm, struct err *e);

/* The guest boots again. */
void panic_reset(struct panic *p);

/* A byte that goes to the console. */
void panic_hear(struct panic *p, uint8_t byte);

/* Return: whether a reset now follows from a panic. No vCPU runs. */
bool panic_heard(struct panic *p);

/* Return: what the kernel said, printable; "" without a panic. */
const char *panic_text(const struct panic *p);

#endif
