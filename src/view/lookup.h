/* SPDX-License-Identifier: MIT */
#ifndef VIEW_LOOKUP_H
#define VIEW_LOOKUP_H

#include "pci/address.h"

#include <stddef.h>

struct host;

/*
 * Resolves an operand: an address, or the name of a network interface, a disk, a graphics or sound
 * card ("eth0", "nvme0n1", "/dev/nvme0n1").
 * Return: 0, -ENODEV if there is no such name.
 */
int lookup_device(struct host *h, const char *word, struct pci_address *ret);

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
