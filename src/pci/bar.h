/* SPDX-License-Identifier: MIT */
#ifndef PCI_BAR_H
#define PCI_BAR_H

#include "pci/config.h"

#include <stdbool.h>

/* What a base address register requests. */
enum pci_bar_kind {
	PCI_BAR_NONE, /* nothing, or the upper half of the 64-bit BAR before it */
	PCI_BAR_IO, /* I/O ports */
	PCI_BAR_MEM32,
	PCI_BAR_MEM64, /* takes the next register too */
	PCI_BAR_ROM, /* expansion ROM; not one of the six */
};

struct pci_bar {
	uint64_t address; /* host-physical, or a port number; 0: not assigned */
	uint64_t size; /* [bytes] */
	enum pci_bar_kind kind;
	uint8_t index; /* [0, 5]; 6: the ROM */
	bool prefetchable;
	bool assigned; /* the kernel has placed it */
};

#define PCI_BAR_ROM_INDEX 6
#define PCI_BAR_MAX 7 /* six and the ROM */

/* "memory", "64-bit memory", "I/O ports", "ROM". */
const char *pci_bar_kind_name(enum pci_bar_kind kind);

/*
 * Decodes kind and prefetchability from the register of BAR @index in a type 0 header. Address,
 * size and assigned stay 0: software has to write to the register to learn its size.
 */
struct pci_bar pci_bar_decode(const struct pci_config *c, unsigned index);

/*
 * Parses the text of sysfs `resource`: lines "start end flags" (IORESOURCE_* in linux/ioport.h).
 * Skips BARs of size 0. Return: how many, -EINVAL.
 */
int pci_bar_parse(const char *text, struct pci_bar ret[PCI_BAR_MAX]);

/* Reads and parses `resource`. Return: how many, -errno. */
int pci_bar_read(
	struct host *h, struct pci_address a, struct pci_bar ret[PCI_BAR_MAX], struct err *e);

#endif
