/* SPDX-License-Identifier: MIT */
#ifndef PCI_ISOLATION_H
#define PCI_ISOLATION_H

#include "pci/acs.h"
#include "pci/device.h"

/*
 * Why an IOMMU group holds more than one device. The kernel puts a device into the group of the
 * bridge above it unless each port from there to the root isolates. It puts the functions of one
 * slot together unless they isolate (pci_device_group()).
 */
enum pci_reason_kind {
	PCI_REASON_PORT, /* devices behind @address share the group with it */
	PCI_REASON_SLOT, /* the functions of the slot of @address can reach each other */
};

struct pci_reason {
	enum pci_reason_kind kind;
	struct pci_address address;
	struct pci_acs acs;
	bool is_express;
	uint8_t type; /* PCI_EXP_TYPE_*, if @is_express */
	int error; /* -errno: why the verdict is unknown */
};

#define PCI_REASONS_MAX 16

/*
 * Finds the reasons for a group. @members: all of the group, in the order of their addresses. Reads
 * the configuration space of its bridges, and of slots with several functions in the group.
 * Return: how many; 0 when ports and slots do not explain it (a quirk of the kernel, DMA aliases).
 */
size_t pci_isolation_read(struct host *h, const struct pci_device *const *members, size_t count,
	struct pci_reason ret[PCI_REASONS_MAX]);

#endif
