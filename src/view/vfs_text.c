/* SPDX-License-Identifier: MIT */
#include "view/plan.h"
#include "view/vfs.h"

#include <stdio.h>

static void print_function(const struct pci_device *d)
{
	char address[PCI_ADDRESS_TEXT], driver[PLAN_DRIVER_TEXT];

	(void)printf("  %s: %s", pci_address_format(d->address, address),
		plan_driver(d->driver, driver));
	if (d->group >= 0)
		(void)printf(" (group %d)", d->group);
	(void)printf("\n");
}

void vfs_text(const struct vfs_plan *p)
{
	char address[PCI_ADDRESS_TEXT];

	(void)printf("%s: %u of %u virtual functions\n",
		pci_address_format(p->device.address, address), p->now, p->total);
	for (size_t i = 0; i < p->function_count; i++)
		print_function(&p->functions[i]);
}
