/* SPDX-License-Identifier: MIT */
#ifndef PCI_ADDRESS_H
#define PCI_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

/* Domain:Bus:Device.Function. A domain has four hex digits; behind a VMD it has more (10000:…). */
struct pci_address {
	uint32_t domain;
	uint8_t bus;
	uint8_t dev; /* [0, 31] */
	uint8_t fn; /* [0, 7] */
};

#define PCI_ADDRESS_TEXT 20 /* room for "ffffffff:ff:1f.7" and the NUL */

/*
 * Parses "0000:01:00.0" or "01:00.0" (domain 0), in lower or upper case.
 * Return: 0, -EINVAL for any other text.
 */
int pci_address_parse(const char *text, struct pci_address *ret);

/* Formats as the kernel does: "%04x:%02x:%02x.%x". Return: @buf. */
const char *pci_address_format(struct pci_address a, char buf[PCI_ADDRESS_TEXT]);

/* Compares in the order in which lspci prints. Return: < 0, 0, > 0. */
int pci_address_compare(struct pci_address a, struct pci_address b);

static inline bool pci_address_equal(struct pci_address a, struct pci_address b)
{
	return pci_address_compare(a, b) == 0;
}

/* Whether both are functions of one device. True also for one and the same function. */
static inline bool pci_address_same_slot(struct pci_address a, struct pci_address b)
{
	return a.domain == b.domain && a.bus == b.bus && a.dev == b.dev;
}

#endif
