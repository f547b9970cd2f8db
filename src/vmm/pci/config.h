/* SPDX-License-Identifier: MIT */
#ifndef VMM_PCI_CONFIG_H
#define VMM_PCI_CONFIG_H

#include "vmm/pci/root.h"

#include <stdint.h>

/*
 * Configuration space of an emulated function: bytes, the bits that the guest may write, and the
 * bits that it clears by writing ones. Only the conventional part has writable bits.
 * Context: under the lock of the function.
 */
#define FUNC_CONFIG_WRITABLE 256

struct func_config {
	uint8_t *bytes; /* PCI_CONFIG_SIZE, the function's own */
	uint8_t mask[FUNC_CONFIG_WRITABLE];
	uint8_t clear[FUNC_CONFIG_WRITABLE];
};

/* Sets a field's value, and the bits of it that the guest may write. @size: 1, 2 or 4. */
void func_config_set(
	struct func_config *r, unsigned off, unsigned size, uint32_t value, uint32_t mask);

/* Sets the bits of a field that the guest clears by writing ones (RW1C). */
void func_config_set_clear(struct func_config *r, unsigned off, unsigned size, uint32_t clear);

/*
 * Puts a capability at @off in front of the list.
 * Ref: PCI Local Bus 6.7
 */
void func_config_add_cap(struct func_config *r, uint8_t id, unsigned off);

/* As the bus calls them: @off aligned to @size, in PCI_CONFIG_SIZE. */
uint32_t func_config_read(const struct func_config *r, unsigned off, unsigned size);
void func_config_write(struct func_config *r, unsigned off, unsigned size, uint32_t value);

#endif
