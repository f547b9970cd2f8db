/* SPDX-License-Identifier: MIT */
#ifndef PCI_IOMMU_H
#define PCI_IOMMU_H

struct err;
struct host;

enum pci_iommu {
	PCI_IOMMU_ON, /* the kernel drives one */
	PCI_IOMMU_KERNEL, /* the firmware tells of one, the kernel leaves it off */
	PCI_IOMMU_FIRMWARE, /* none is there, or the firmware setup has it off */
};

/* Whether devices can be held apart at all. */
enum pci_iommu pci_iommu_state(struct host *h);

/* Why not, and what turns it on, as a message and its hint; for any but PCI_IOMMU_ON. */
void pci_iommu_explain(struct host *h, enum pci_iommu state, struct err *e);

#endif
