/* SPDX-License-Identifier: MIT */
#ifndef PCI_CONFIG_H
#define PCI_CONFIG_H

#include "pci/address.h"

#include <stddef.h>
#include <stdint.h>

struct err;
struct host;

#define PCI_CONFIG_BYTES 4096 /* PCI Express; 256 on conventional PCI */
#define PCI_BAR_COUNT 6

/*
 * An image of a function's configuration space, wherever it came from: sysfs, a VFIO region, a
 * test. Offsets have their names in <linux/pci_regs.h>. What was not read, or cannot be, reads as
 * all ones, as on a bus where nobody answers.
 */
struct pci_config {
	size_t size; /* [bytes] known: 0, 64 (all that an ordinary user sees), 256 or 4096 */
	uint8_t bytes[PCI_CONFIG_BYTES];
};

/*
 * Reads the `config` attribute. This wakes a sleeping device (pci_config_pm_runtime_get()), so
 * only what is asked for one device does it.
 * Return: 0, -EIO when the device no longer answers, -errno.
 */
int pci_config_read(struct host *h, struct pci_address a, struct pci_config *ret, struct err *e);

uint8_t pci_config_u8(const struct pci_config *c, unsigned off);
uint16_t pci_config_u16(const struct pci_config *c, unsigned off);
uint32_t pci_config_u32(const struct pci_config *c, unsigned off);

/* PCI_HEADER_TYPE without the multi-function bit: PCI_HEADER_TYPE_NORMAL, …_BRIDGE, …_CARDBUS. */
uint8_t pci_config_header(const struct pci_config *c);

#endif
