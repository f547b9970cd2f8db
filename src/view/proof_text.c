/* SPDX-License-Identifier: MIT */
#include "pci/class.h"
#include "view/names.h"
#include "view/plan.h"
#include "view/proof.h"

#include <stdio.h>

void proof_text(const struct proof *p, struct names *n)
{
	char address[PCI_ADDRESS_TEXT], name[2 * NAMES_TEXT];

	names_both(n, &p->was, name, sizeof(name));
	(void)printf("%s  %s: %s\n", pci_address_format(p->was.address, address),
		pci_class_name(p->was.class), name);
	if (p->plan.refusals)
		return;
	if (p->dry_run)
		plan_text(stdout, &p->plan);
	else
		card_text(stdout, &p->card, "  ");
}
