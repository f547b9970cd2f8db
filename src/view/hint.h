/* SPDX-License-Identifier: MIT */
#ifndef VIEW_HINT_H
#define VIEW_HINT_H

#include "pci/address.h"

struct err;
struct host;
struct inventory;

/*
 * Sets the hint for a word that is not an address: the device of that interface, disk or graphics
 * card, else how to list addresses.
 */
void hint_word(struct host *h, const char *word, struct err *e);

/* Sets the hint for a missing address: the nearest existing ones. */
void hint_address(const struct inventory *v, struct pci_address a, struct err *e);

#endif
