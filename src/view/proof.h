/* SPDX-License-Identifier: MIT */
#ifndef VIEW_PROOF_H
#define VIEW_PROOF_H

#include "bind/bind.h"
#include "view/card.h"

struct err;
struct names;

/* A trial of a device: the facts that `usher prove` shows. */
struct proof {
	struct pci_device was; /* before anything was touched */
	struct bind_plan plan;
	struct card card; /* empty when nothing was tried */
	bool dry_run;
	char kernel[96]; /* its release; "" if it is not known */
};

/* On standard output: the card, or the plan when nothing was tried. @n: NULL for no names. */
void proof_text(const struct proof *p, struct names *n);

/* Return: 0, -ENOMEM, -ENOPKG. */
int proof_json(const struct proof *p, struct err *e);

#endif
