/* SPDX-License-Identifier: MIT */
#ifndef VIEW_LOOKUP_H
#define VIEW_LOOKUP_H

#include "pci/address.h"

#include <stddef.h>

struct host;

/* A name of a function: "eth0", "nvme0n1", "card1". */
struct lookup_name {
	struct pci_address address;
	char name[64];
};

struct lookup_names {
	size_t count;
	struct lookup_name *list; /* by address, then name */
};

/* Interfaces, disks and graphics cards. lookup_names_fini() either way. Return: 0, -ENOMEM. */
int lookup_names_read(struct host *h, struct lookup_names *ret);
void lookup_names_fini(struct lookup_names *n);

/* The index of the first name at or after address @a; @n->count if there is none. */
size_t lookup_names_find(const struct lookup_names *n, struct pci_address a);

/* The names of one function, separated by commas; "" for none. */
void lookup_names_of(const struct lookup_names *n, struct pci_address a, char *buf, size_t size);

#endif
