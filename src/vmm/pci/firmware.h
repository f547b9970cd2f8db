/* SPDX-License-Identifier: MIT */
#ifndef VMM_PCI_FIRMWARE_H
#define VMM_PCI_FIRMWARE_H

#include "vmm/pci/root.h"

#include <stdint.h>

/*
 * Does what firmware does with PCI, by configuration accesses alone: numbers buses, sizes BARs by
 * writing ones, places them, and sets the windows of bridges. Bridges forward afterwards; functions
 * keep their decoders off until their driver turns them on.
 */
struct firmware_access {
	uint32_t (*read)(void *ctx, unsigned bus, unsigned devfn, unsigned off, unsigned size);
	void (*write)(void *ctx, unsigned bus, unsigned devfn, unsigned off, unsigned size,
		uint32_t value);
	void *ctx;
};

struct firmware_result {
	unsigned buses; /* numbered, bus 0 included */
	unsigned placed; /* BARs and ROMs */
	unsigned unplaced; /* left at 0: no space; the guest may still place them */
};

/*
 * Return: 0, -ENOMEM, -ENOSPC if there are more buses than PCI_BUSES_MAX. A lack of address space
 * is not an error: @ret counts what is unplaced.
 */
int firmware_place(const struct firmware_access *a, const struct pci_windows *w,
	struct firmware_result *ret, struct err *e);

#endif
