/* SPDX-License-Identifier: MIT */
#ifndef VIEW_FILTER_H
#define VIEW_FILTER_H

#include "pci/address.h"

#include <stddef.h>

struct pci_device;

#define FILTER_ANY_ID 0x10000u

/* Selects devices; a device must match every field that is set. */
struct filter {
	const char *driver; /* "-": none */
	const char *class; /* first hex digits of the code, or a part of the name */
	unsigned vendor; /* FILTER_ANY_ID: all */
	unsigned device;
	int group; /* PCI_GROUP_NONE: all */
	const struct pci_address *addresses;
	size_t address_count; /* 0: all */
};

#define FILTER_NONE ((struct filter){.vendor = FILTER_ANY_ID, .device = FILTER_ANY_ID, .group = -1})

/* "8086", "8086:", ":100e" or "8086:100e". Return: 0, -EINVAL. */
int filter_parse_id(struct filter *f, const char *text);

bool filter_matches(const struct filter *f, const struct pci_device *d);

#endif
