/* SPDX-License-Identifier: MIT */
#include "view/hint.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/num.h"
#include "pci/class.h"
#include "pci/device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The nearest address is another function of the slot, then another slot of the bus. */
static uint64_t address_distance(struct pci_address a, struct pci_address b)
{
	uint64_t n = a.domain != b.domain;

	n = n << 16 | (uint64_t)abs(a.bus - b.bus);
	n = n << 16 | (uint64_t)abs(a.dev - b.dev);
	return n << 16 | (uint64_t)abs(a.fn - b.fn);
}

void hint_address(struct host *h, struct pci_address a, struct err *e)
{
	const struct pci_device *near[3] = {NULL};
	char text[sizeof(e->hint)] = "", address[PCI_ADDRESS_TEXT];
	cleanup_free struct pci_device *list = NULL;
	size_t count = 0;

	if (pci_device_list(h, &list, &count, NULL) < 0)
		count = 0;
	for (size_t i = 0; i < count; i++) {
		const struct pci_device *x = &list[i];

		for (size_t k = 0; x && k < COUNT(near); k++) {
			const struct pci_device *old = near[k];
			if (old && address_distance(a, old->address) <=
					   address_distance(a, x->address))
				continue;
			near[k] = x;
			x = old;
		}
	}
	for (size_t k = 0; k < COUNT(near) && near[k]; k++) {
		size_t n = strlen(text);
		(void)snprintf(text + n, sizeof(text) - n, "%s%s (%s)", n ? ", " : "",
			pci_address_format(near[k]->address, address),
			pci_class_name(near[k]->class));
	}
	if (text[0])
		err_hint(e, "nearest: %s", text);
	else
		err_hint(e, "this host has no PCI devices");
}
