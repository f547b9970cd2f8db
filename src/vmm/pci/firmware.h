/* SPDX-License-Identifier: MIT */
#ifndef VMM_PCI_FIRMWARE_H
#define VMM_PCI_FIRMWARE_H

#include "vmm/pci/root.h"

#include <stdint.h>

/*
 * The firmware's part in the life of PCI: numbers buses, sizes BARs by writing ones, places them
 * and sets bridges' windows, by configuration accesses alone. Bridges are left forwarding;
 * functions keep their decoders off, as a driver expects to find them and turns them on.
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
	unsigned unplaced; /* left at 0 for want of space: the guest may know better */
};

/*
 * Return: 0, -ENOMEM, -ENOSPC when there are more buses than PCI_BUSES_MAX. Want of address space
 * is no error: see @ret.
 */
int firmware_place(const struct firmware_access *a, const struct pci_windows *w,
	struct firmware_result *ret, struct err *e);

#endif
