/* SPDX-License-Identifier: MIT */
#ifndef PCI_IOMMU_H
#define PCI_IOMMU_H

#include <stdbool.h>

struct err;
struct host;

enum pci_iommu {
	PCI_IOMMU_ON, /* the kernel drives one */
	PCI_IOMMU_KERNEL, /* the firmware reports one, but the kernel leaves it off */
	PCI_IOMMU_FIRMWARE, /* the firmware reports none: absent, or off in its setup */
};

/* Whether this host can isolate devices. */
enum pci_iommu pci_iommu_state(struct host *h);

/* True if an IOMMU isolates this group: VFIO makes up groups for its mode without one. */
bool pci_iommu_isolates(struct host *h, int group);

/* Sets the message, why not, and the hint, how to turn it on. Nothing for PCI_IOMMU_ON. */
void pci_iommu_explain(struct host *h, enum pci_iommu state, struct err *e);

#endif
