/* SPDX-License-Identifier: MIT */
#ifndef PCI_GROUP_H
#define PCI_GROUP_H

#include "pci/device.h"

/*
 * IOMMU group: the smallest set of devices that the IOMMU can isolate from all others. So it is
 * what VFIO lends as a whole (Documentation/driver-api/vfio.rst).
 */
struct pci_group {
	int number;
	size_t count;
	struct pci_device *members; /* by address; freed by pci_group_fini() */
};

/* Return: 0, -ENOENT when there is no such group, -errno. */
int pci_group_read(struct host *h, int number, struct pci_group *ret, struct err *e);
void pci_group_fini(struct pci_group *g);

#endif
