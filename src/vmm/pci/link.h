/* SPDX-License-Identifier: MIT */
#ifndef VMM_PCI_LINK_H
#define VMM_PCI_LINK_H

#include <stdbool.h>
#include <stdint.h>

struct pci_func;

/*
 * The link between a root port and its card. On hardware both ends report one link, and drivers and
 * tools of a guest judge by it whether a card is throttled. So a port reports what its card does.
 * Ref: PCI Express Base 7.5.3.6 to 7.5.3.8, 7.5.3.18
 */
struct pcie_link {
	uint32_t capability; /* of Link Capabilities: the highest speed and width */
	uint32_t speeds; /* of Link Capabilities 2: a bit for each speed */
	uint16_t status; /* of Link Status: speed and width now */
	uint8_t express; /* offset of the card's PCI Express capability, 0: it has none */
};

/* x1 at 2.5 GT/s: of a port without a card, and of a card without a link. */
struct pcie_link link_default(void);

/* Reads the link of @f. Context: under the lock of @f. */
struct pcie_link link_read(struct pci_func *f);

/*
 * Reads the present speed and width, which change while a card saves power. Return: false if @f
 * does not answer. Context: under the lock of @f.
 */
bool link_refresh(struct pcie_link *l, struct pci_func *f);

#endif
