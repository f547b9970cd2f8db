/* SPDX-License-Identifier: MIT */
#ifndef PCI_ALIVE_H
#define PCI_ALIVE_H

#include "pci/address.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct host;
struct pci_device;

/*
 * A device that dropped off the bus, or did not come back from D3cold, reads as all ones. Its
 * driver may keep it bound, and the kernel keeps all that it learned before.
 *
 * Whether the first registers of a function say so. The ids alone do not: those of a virtual
 * function are always ffff (PCI Express 6.0, 9.3.4.1.1).
 */
bool pci_header_is_dead(struct host *h, struct pci_address a, const uint8_t *bytes, size_t size);

/*
 * Reads the first registers of the device, which wakes it.
 * Return: 1 dead, 0, -ETIMEDOUT when the kernel does not return, -errno.
 */
int pci_device_is_dead(struct host *h, const struct pci_device *d);

#endif
