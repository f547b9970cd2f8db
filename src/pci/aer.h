/* SPDX-License-Identifier: MIT */
#ifndef PCI_AER_H
#define PCI_AER_H

#include "pci/address.h"

#include <stdint.h>

struct host;

/*
 * Errors of PCI Express that a function has reported since the kernel found it. sysfs shows the
 * kernel's counters, and no register is read.
 * Ref: Documentation/ABI/testing/sysfs-bus-pci-devices-aer_stats.
 */
enum pci_aer { PCI_AER_CORRECTABLE, PCI_AER_NONFATAL, PCI_AER_FATAL, PCI_AERS };

/* "corrected", "nonfatal", "fatal". */
const char *pci_aer_name(enum pci_aer kind);
/* "aer_dev_correctable". */
const char *pci_aer_file(enum pci_aer kind);

struct pci_aer_count {
	uint64_t total;
	char names[160]; /* those that are not 0: "RxErr 3, BadTLP 1"; "" */
};

/* Return: 0; -ENOENT the function or the kernel does not count them; -EPROTO, -errno. */
int pci_aer_read(
	struct host *h, struct pci_address a, enum pci_aer kind, struct pci_aer_count *ret);

#endif
