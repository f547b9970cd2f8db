/* SPDX-License-Identifier: MIT */
#ifndef VIEW_SUBSYSTEM_H
#define VIEW_SUBSYSTEM_H

#include "pci/address.h"

struct host;

/*
 * Calls @each for each PCI controller of the NVMe subsystem that @target is below; for none if it
 * is below no subsystem. @target: of a link in /sys/class, such as that of a disk with native
 * multipath. Return: 0, what @each returned.
 */
int subsystem_controllers(struct host *h, const char *target,
	int (*each)(void *arg, struct pci_address controller), void *arg);

#endif
