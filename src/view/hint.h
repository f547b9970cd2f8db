/* SPDX-License-Identifier: MIT */
#ifndef VIEW_HINT_H
#define VIEW_HINT_H

#include "pci/address.h"

struct err;
struct host;
struct inventory;

/*
 * What a person may have meant by a word that is no address: the device of an interface, a disk
 * or a graphics card by that name, else what an address looks like. Sets the hint.
 */
void hint_word(struct host *h, const char *word, struct err *e);

/* The addresses nearest to one that is not there. Sets the hint. */
void hint_address(const struct inventory *v, struct pci_address a, struct err *e);

#endif
