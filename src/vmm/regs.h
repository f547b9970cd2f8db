/* SPDX-License-Identifier: MIT */
#ifndef VMM_REGS_H
#define VMM_REGS_H

#include <stdint.h>

#include "vmm/pci.h"

/*
 * Configuration space of an emulated function, as data: bytes, which bits of them the guest may
 * write, and which it clears by writing ones. Only the conventional part has writable bits.
 * Context: under the VM's lock.
 */
#define REGS_WRITABLE 256

struct regs {
	uint8_t *bytes; /* PCI_CONFIG_SIZE, the function's own */
	uint8_t mask[REGS_WRITABLE];
	uint8_t clear[REGS_WRITABLE];
};

/* Sets a field's value, and the bits of it that the guest may write. @size: 1, 2 or 4. */
void regs_set(struct regs *r, unsigned off, unsigned size, uint32_t value, uint32_t mask);

/* The bits of a field that a written one clears (RW1C). */
void regs_set_clear(struct regs *r, unsigned off, unsigned size, uint32_t clear);

/*
 * Puts a capability at @off in front of the list.
 * Ref: PCI Local Bus 6.7
 */
void regs_add_cap(struct regs *r, uint8_t id, unsigned off);

/* As the bus calls them: @off aligned to @size, in PCI_CONFIG_SIZE. */
uint32_t regs_read(const struct regs *r, unsigned off, unsigned size);
void regs_write(struct regs *r, unsigned off, unsigned size, uint32_t value);

#endif
