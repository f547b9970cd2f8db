/* SPDX-License-Identifier: MIT */
#ifndef PCI_UPSTREAM_H
#define PCI_UPSTREAM_H

#include "pci/address.h"

#include <stdbool.h>
#include <stddef.h>

struct host;

#define PCI_UPSTREAM_MAX 32 /* bridges above one another; more than eight were never seen */

/* The bridges between a root bus and a function: buses are renumbered, this way is not. */
struct pci_upstream {
	size_t count; /* 0: it is on a root bus */
	struct pci_address bridges[PCI_UPSTREAM_MAX]; /* from the root port down to the parent */
};

/*
 * From where sysfs has the function's folder, so without touching configuration space.
 * Return: 0, -ENODEV when it cannot be told, -E2BIG.
 */
int pci_upstream_read(struct host *h, struct pci_address a, struct pci_upstream *ret);

/* Whether @bridge is one of them. */
bool pci_upstream_has(const struct pci_upstream *u, struct pci_address bridge);

#endif
