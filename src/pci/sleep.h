/* SPDX-License-Identifier: MIT */
#ifndef PCI_SLEEP_H
#define PCI_SLEEP_H

#include "pci/address.h"

struct host;

/*
 * The power state of a device, and which states are allowed. To read these attributes does not wake
 * it. Each is "" if the kernel does not show it.
 */
struct pci_sleep {
	char state[16]; /* "D0", "D3hot", "D3cold", "unknown" */
	char control[16]; /* "on": stays awake; "auto": sleeps when idle */
	char status[16]; /* "active", "suspended", "unsupported" … */
	char cold[4]; /* "1": D3cold, without power, is allowed */
};

/* Ref: Documentation/ABI/testing/sysfs-bus-pci, sysfs-devices-power. */
void pci_sleep_read(struct host *h, struct pci_address a, struct pci_sleep *ret);

#endif
