/* SPDX-License-Identifier: MIT */
#include "view/hint.h"

#include "base/err.h"
#include "base/num.h"
#include "pci/class.h"
#include "view/inventory.h"
#include "view/lookup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void hint_word(struct host *h, const char *word, struct err *e)
{
	char address[PCI_ADDRESS_TEXT];
	struct pci_address a;

	if (lookup_device(h, word, &a) == 0)
		err_hint(e, "'%s' is %s", word, pci_address_format(a, address));
	else
		err_hint(e, "for all addresses: usher list");
}

/* The nearest address is another function of the slot, then another slot of the bus. */
static uint64_t address_distance(struct pci_address a, struct pci_address b)
{
	uint64_t n = a.domain != b.domain;

	n = n << 16 | (uint64_t)abs(a.bus - b.bus);
	n = n << 16 | (uint64_t)abs(a.dev - b.dev);
	return n << 16 | (uint64_t)abs(a.fn - b.fn);
}

void hint_address(const struct inventory *v, struct pci_address a, struct err *e)
{
	const struct inventory_entry *near[3] = {NULL};
	char text[sizeof(e->hint)] = "", address[PCI_ADDRESS_TEXT];

	for (size_t i = 0; i < v->count; i++) {
		const struct inventory_entry *x = &v->list[i];

		for (size_t k = 0; k < COUNT(near); k++) {
			const struct inventory_entry *old = near[k];
			if (old && address_distance(a, old->device.address) <=
					   address_distance(a, x->device.address))
				continue;
			near[k] = x;
			x = old;
			if (!x)
				break;
		}
	}
	for (size_t k = 0; k < COUNT(near) && near[k]; k++) {
		size_t n = strlen(text);
		(void)snprintf(text + n, sizeof(text) - n, "%s%s (%s)", n ? ", " : "",
			pci_address_format(near[k]->device.address, address),
			pci_class_name(near[k]->device.class));
	}
	if (text[0])
		err_hint(e, "nearest: %s", text);
	else
		err_hint(e, "this host has no PCI devices");
}
