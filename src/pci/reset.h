/* SPDX-License-Identifier: MIT */
#ifndef PCI_RESET_H
#define PCI_RESET_H

#include "pci/device.h"

#include <stdbool.h>

/*
 * The ways to reset a function. Those in sysfs `reset_method` reset the function alone: the kernel
 * offers `bus` only where no other function is on that bus. A hot reset resets all functions behind
 * the bridge above; VFIO does it only if it has all of them.
 * Ref: Documentation/ABI/testing/sysfs-bus-pci, linux/vfio.h VFIO_DEVICE_PCI_HOT_RESET.
 */
struct pci_hot_reset {
	bool possible; /* false: it is on a root bus, which no bridge can reset */
	struct pci_address bridge; /* the one that resets the bus */
	size_t count; /* other functions that it resets, too */
	struct pci_address *along; /* freed by pci_hot_reset_fini() */
};

/* @all: all functions of the host. Return: 0, -ENOMEM. */
int pci_hot_reset_read(struct host *h, struct pci_address a, const struct pci_device *const *all,
	size_t count, struct pci_hot_reset *ret);
void pci_hot_reset_fini(struct pci_hot_reset *r);

/* Takes the next word of a `reset_method`, in order of preference. Return: false at the end. */
bool pci_reset_next(const char **at, char *buf, size_t size);

/* Return: "function level reset (FLR)"; NULL for an unknown method. */
const char *pci_reset_name(const char *method);

#endif
