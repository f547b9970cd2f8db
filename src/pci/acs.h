/* SPDX-License-Identifier: MIT */
#ifndef PCI_ACS_H
#define PCI_ACS_H

#include "pci/config.h"

/*
 * Access Control Services: whether a port, or a function, forwards requests between devices
 * directly or sends them up to the IOMMU. Ref: PCI Express Base 6.12, 7.7.11.
 */
enum pci_acs_verdict {
	PCI_ACS_ISOLATES,
	PCI_ACS_LACKS, /* bits that it offers are off: @missing */
	PCI_ACS_ABSENT, /* no such capability, where one is needed */
	PCI_ACS_BRIDGE, /* conventional PCI: the IOMMU cannot tell devices of such a bus apart */
	PCI_ACS_UNKNOWN, /* its configuration space could not be read */
};

struct pci_acs {
	enum pci_acs_verdict verdict;
	uint16_t missing; /* PCI_ACS_SV, PCI_ACS_RR, PCI_ACS_CR, PCI_ACS_UF */
};

/*
 * Judges as the kernel does when it forms groups (pci_acs_enabled() with SV, RR, CR and UF): bits
 * that the capability does not offer count as on. It does not know the kernel's quirks for devices
 * that isolate without the capability. The group is the fact; this only explains it.
 */
struct pci_acs pci_acs_judge(const struct pci_config *c);

/* Names bits: "SV RR". Return: @buf. */
const char *pci_acs_bits(uint16_t bits, char *buf, size_t size);

#endif
