/* SPDX-License-Identifier: MIT */
#ifndef PCI_ROMPLACE_H
#define PCI_ROMPLACE_H

#include "pci/address.h"

#include <stdbool.h>
#include <stdint.h>

struct host;

/* Where a host may have the ROM of a device. */
struct pci_rom_places {
	bool has_bar; /* sysfs shows `rom` */
	uint64_t bar_size; /* [bytes] of the expansion ROM BAR; 0: unknown */
	/*
	 * IORESOURCE_ROM_SHADOW: instead of the BAR, the kernel shows the firmware's copy in memory
	 * at 0xC0000, which has run.
	 */
	bool is_shadow;
	bool has_vfct; /* the ACPI table VFCT exists; only root can see for which devices */
};

/* Reads sysfs only: it wakes no device. What a snapshot does not have counts as absent. */
void pci_rom_places_read(struct host *h, struct pci_address a, struct pci_rom_places *ret);

#endif
