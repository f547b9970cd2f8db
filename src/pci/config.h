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
 * An image of a function's configuration space, from sysfs, a VFIO region or a test. Names of
 * offsets are in <linux/pci_regs.h>. Bytes that are not in the image read as all ones, as on a bus
 * where no device answers.
 */
struct pci_config {
	size_t size; /* [bytes] in the image: 0, 64 (as an ordinary user reads), 256, 4096 */
	uint8_t bytes[PCI_CONFIG_BYTES];
};

/*
 * Reads the `config` attribute. The kernel wakes a sleeping device for it
 * (pci_config_pm_runtime_get()), so a listing of all devices must not call this.
 * Return: 0, -EIO when the device no longer answers, -errno.
 */
int pci_config_read(struct host *h, struct pci_address a, struct pci_config *ret, struct err *e);

uint8_t pci_config_u8(const struct pci_config *c, unsigned off);
uint16_t pci_config_u16(const struct pci_config *c, unsigned off);
uint32_t pci_config_u32(const struct pci_config *c, unsigned off);

/* PCI_HEADER_TYPE without the multi-function bit: PCI_HEADER_TYPE_NORMAL, …_BRIDGE, …_CARDBUS. */
uint8_t pci_config_header(const struct pci_config *c);

#endif
