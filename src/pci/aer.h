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
/* "aer_dev_correctable"; of a root port, "aer_rootport_total_err_cor". */
const char *pci_aer_file(enum pci_aer kind);
const char *pci_aer_port_file(enum pci_aer kind);

struct pci_aer_count {
	uint64_t total;
	char names[160]; /* those that are not 0: "RxErr 3, BadTLP 1"; "" */
};

/* Return: 0; -ENOENT the function or the kernel does not count them; -EPROTO, -errno. */
int pci_aer_read(
	struct host *h, struct pci_address a, enum pci_aer kind, struct pci_aer_count *ret);

/*
 * What a root port has heard of, from itself and from below it. A fatal error of an endpoint counts
 * here alone: its link is down, so the kernel does not read what it was.
 * Return: 0, -ENOENT, -errno.
 */
int pci_aer_port_read(struct host *h, struct pci_address a, enum pci_aer kind, uint64_t *ret);

#endif
