/* SPDX-License-Identifier: MIT */
#ifndef PCI_VFCT_H
#define PCI_VFCT_H

#include "pci/device.h"

#include <stddef.h>
#include <stdint.h>

/*
 * The ACPI table VFCT, by which the firmware hands video BIOSes of AMD to the operating system. The
 * graphics of a processor have no ROM BAR, so it is the only place for theirs.
 */
#define PCI_VFCT_PATH "/sys/firmware/acpi/tables/VFCT"

/* How an image of the table was recognised as a device's. */
enum pci_vfct_match {
	PCI_VFCT_NONE, /* the table has none for it */
	PCI_VFCT_IDS, /* by its ids alone: the kernel has numbered buses anew */
	PCI_VFCT_PLACE, /* by bus, device and function as well */
	PCI_VFCT_BAD, /* this is no VFCT table, or it was cut off */
};

struct pci_vfct {
	enum pci_vfct_match match;
	size_t image_count; /* of all devices */
	const uint8_t *data; /* inside of the table */
	size_t size; /* [bytes] */
};

/* Finds the video BIOS of @d in a table of any content. @table has to outlive @ret. */
void pci_vfct_find(
	const uint8_t *table, size_t size, const struct pci_device *d, struct pci_vfct *ret);

#endif
