/* SPDX-License-Identifier: MIT */
#ifndef PCI_UPSTREAM_H
#define PCI_UPSTREAM_H

#include "pci/address.h"

#include <stdbool.h>
#include <stddef.h>

struct host;

#define PCI_UPSTREAM_MAX 32 /* bridges in a row; real hosts have eight at most */

/* The bridges between a root bus and a function. The path stays when buses are renumbered. */
struct pci_upstream {
	size_t count; /* 0: it is on a root bus */
	struct pci_address bridges[PCI_UPSTREAM_MAX]; /* from the root port down to the parent */
};

/*
 * Takes the path from the place of the function's folder in sysfs: it reads no configuration space.
 * Return: 0, -ENODEV without such a folder, -E2BIG.
 */
int pci_upstream_read(struct host *h, struct pci_address a, struct pci_upstream *ret);

/* Whether @bridge is one of the bridges. */
bool pci_upstream_has(const struct pci_upstream *u, struct pci_address bridge);

#endif
