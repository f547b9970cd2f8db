/* SPDX-License-Identifier: MIT */
#include "hold/hold.h"

/* Stands in until src/hold lands: finds nothing, and gives way to the real one. */
__attribute__((weak)) int hold_find(
	struct host *h, const struct pci_device *d, struct holds *ret, struct err *e)
{
	*ret = (struct holds){0};
	return 0;
}

__attribute__((weak)) void holds_fini(struct holds *h)
{
	*h = (struct holds){0};
}
