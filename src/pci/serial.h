/* SPDX-License-Identifier: MIT */
#ifndef PCI_SERIAL_H
#define PCI_SERIAL_H

#include "pci/config.h"

#include <stdbool.h>

/* Serial numbers: they identify a device among its twins, in whichever slot it is. */
struct pci_serials {
	bool has_dsn;
	uint64_t dsn; /* Device Serial Number capability; PCI Express Base 7.9.3 */
	char nvme[64]; /* of an NVMe controller; "": none. Not escaped */
};

/* @c: its configuration space, or the part that could be read. */
void pci_serials_read(
	struct host *h, struct pci_address a, const struct pci_config *c, struct pci_serials *ret);

#endif
