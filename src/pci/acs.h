/* SPDX-License-Identifier: MIT */
#ifndef PCI_ACS_H
#define PCI_ACS_H

#include "pci/config.h"

/*
 * Access Control Services: whether a port or a function lets requests between the devices behind
 * it pass without the IOMMU seeing them. Ref: PCI Express Base 6.12, 7.7.11.
 */
enum pci_acs_verdict {
	PCI_ACS_ISOLATES,
	PCI_ACS_LACKS, /* bits that it could have are off: @missing */
	PCI_ACS_ABSENT, /* no such capability, where one is needed */
	PCI_ACS_BRIDGE, /* conventional PCI: nothing on such a bus can be told apart */
	PCI_ACS_UNKNOWN, /* its configuration space could not be read */
};

struct pci_acs {
	enum pci_acs_verdict verdict;
	uint16_t missing; /* PCI_ACS_SV, PCI_ACS_RR, PCI_ACS_CR, PCI_ACS_UF */
};

/*
 * What the kernel makes of it when it forms groups (pci_acs_enabled() with SV, RR, CR and UF): bits
 * that the capability does not offer count as on. Quirks for devices that isolate without saying so
 * are not known here: the group is the truth, this is its explanation.
 */
struct pci_acs pci_acs_judge(const struct pci_config *c);

/* "SV RR" for @missing. Return: @buf. */
const char *pci_acs_bits(uint16_t bits, char *buf, size_t size);

#endif
