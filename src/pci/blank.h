/* SPDX-License-Identifier: MIT */
#ifndef PCI_BLANK_H
#define PCI_BLANK_H

#include "pci/address.h"

#include <stdbool.h>

struct host;

/*
 * The kernel placed its memory, but every register that holds a place is 0. A driver of such a
 * device talks to nobody, and the kernel writes them again only for a device that it finds anew.
 */
bool pci_device_is_blank(struct host *h, struct pci_address a);

#endif
