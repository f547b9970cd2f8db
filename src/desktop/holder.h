/* SPDX-License-Identifier: MIT */
#ifndef DESKTOP_HOLDER_H
#define DESKTOP_HOLDER_H

#include "desktop/plan.h"
#include "hold/hold.h"

/*
 * Adds the processes that @holds of a device names, and whether they end with the units and the
 * sessions of @d. Beyond the room of @d, those that end are left out before those that stay.
 */
void desktop_holders_add(struct host *h, const struct pci_device *device, const struct holds *holds,
	struct desktop_plan *d);

/* The text console is among them: the device is what the host draws on. */
bool desktop_holds_console(const struct holds *holds);

#endif
