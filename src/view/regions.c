/* SPDX-License-Identifier: MIT */
#include "view/regions.h"

#include "pci/device.h"

void space_read(struct host *h, const struct pci_device *d, struct space *ret)
{
	*ret = (struct space){0};
	ret->config_error = pci_config_read(h, d->address, &ret->config, NULL);
	int n = pci_bar_read(h, d->address, ret->bars, NULL);
	ret->bar_count = n < 0 ? 0 : (size_t)n;
}
