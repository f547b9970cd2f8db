/* SPDX-License-Identifier: MIT */
#include "check/rule.h"
#include "pci/vfs.h"

/*
 * What a person calls a card: a display on a board of its own, with its audio and USB functions.
 * The graphics of a processor look alike, down to a bus of their own (AMD puts them behind an
 * internal port), and nobody lends the security processor and the USB ports that share it.
 */

#define BASE_DISPLAY 0x03

bool check_is_display(const struct check_case *c, const struct pci_device *d)
{
	return d->class >> 16 == BASE_DISPLAY && !pci_vfs_read(c->host, d->address).is_virtual;
}

static bool is_same_slot(const struct pci_device *a, const struct pci_device *b)
{
	return a->address.domain == b->address.domain && a->address.bus == b->address.bus &&
	       a->address.dev == b->address.dev;
}

/*
 * A board has one vendor. In AMD's processors the display is of 1002 (ATI), and the functions
 * beside it are of 1022 (AMD). Integrated graphics of Intel are on the root bus.
 */
bool check_is_card(const struct check_case *c, const struct pci_device *d)
{
	if (!check_is_display(c, d) || !d->has_parent)
		return false;
	for (size_t i = 0; i < c->device_count; i++)
		if (is_same_slot(&c->devices[i], d) && c->devices[i].vendor != d->vendor)
			return false;
	return true;
}
