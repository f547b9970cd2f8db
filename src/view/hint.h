/* SPDX-License-Identifier: MIT */
#ifndef VIEW_HINT_H
#define VIEW_HINT_H

#include "pci/address.h"

struct err;
struct host;

/* Sets the hint for a missing address: the nearest existing ones. */
void hint_address(struct host *h, struct pci_address a, struct err *e);

#endif
