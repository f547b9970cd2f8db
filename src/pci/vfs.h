/* SPDX-License-Identifier: MIT */
#ifndef PCI_VFS_H
#define PCI_VFS_H

#include "pci/address.h"

struct host;

/* A function's part in SR-IOV as sysfs tells it, its configuration space left alone. */
struct pci_vfs {
	uint16_t total; /* virtual functions it could have; 0: it is no physical function */
	uint16_t active; /* and has */
	bool is_virtual; /* it is one itself */
	struct pci_address physical; /* whose */
};

/* All zeros for a device that has no part in it, or that went away. */
struct pci_vfs pci_vfs_read(struct host *h, struct pci_address a);

#endif
