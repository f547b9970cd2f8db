/* SPDX-License-Identifier: MIT */
#ifndef PCI_ROMCHECK_H
#define PCI_ROMCHECK_H

#include "pci/device.h"
#include "pci/rom.h"

/* Where a ROM came from. What is wrong depends on it. */
enum pci_rom_source {
	PCI_ROM_BAR, /* the device itself */
	PCI_ROM_SHADOW, /* the copy in memory that the firmware ran, at 0xC0000 */
	PCI_ROM_ACPI, /* the table VFCT */
	PCI_ROM_FILE, /* a file that the user named */
};

enum pci_rom_grade { PCI_ROM_NOTE, PCI_ROM_WARNS, PCI_ROM_FAILS };

struct pci_rom_finding {
	enum pci_rom_grade grade;
	char text[224];
	char fix[288]; /* "": none */
};

#define PCI_ROM_FINDINGS_MAX 48

struct pci_rom_findings {
	size_t count;
	size_t failures;
	struct pci_rom_finding list[PCI_ROM_FINDINGS_MAX];
};

/*
 * What is wrong with a ROM for @d, and what a guest's firmware lacks in it. @file: its path, for
 * the commands in the fixes; NULL unless it is PCI_ROM_FILE. Pure.
 */
void pci_rom_check(const struct pci_rom *r, enum pci_rom_source source, const char *file,
	const struct pci_device *d, struct pci_rom_findings *ret);

/* "bar", "shadow", "acpi", "file". */
const char *pci_rom_source_name(enum pci_rom_source s);

#endif
