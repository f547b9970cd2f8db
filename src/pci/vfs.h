/* SPDX-License-Identifier: MIT */
#ifndef PCI_VFS_H
#define PCI_VFS_H

#include "pci/address.h"

struct host;

/* A function's part in SR-IOV, as sysfs shows it: it reads no configuration space. */
struct pci_vfs {
	uint16_t total; /* the most virtual functions; 0: it is not a physical function */
	uint16_t active; /* how many it has */
	bool is_virtual;
	struct pci_address physical; /* the function that it belongs to, if @is_virtual */
};

/* Return: all zeros for a device without SR-IOV, or one that was removed. */
struct pci_vfs pci_vfs_read(struct host *h, struct pci_address a);

#endif
