/* SPDX-License-Identifier: MIT */
#ifndef VIEW_REGIONS_H
#define VIEW_REGIONS_H

#include "pci/bar.h"
#include "pci/capability.h"
#include "pci/config.h"

struct host;
struct json;
struct pci_device;

/* The BARs and capabilities of a device; unreadable ones are left out. */
struct space {
	struct pci_config config;
	int config_error; /* -errno; 0 */
	struct pci_bar bars[PCI_BAR_MAX];
	size_t bar_count;
};

void space_read(struct host *h, const struct pci_device *d, struct space *ret);
void space_print(const struct space *s);

/* The keys "bars", "capabilities", "link", "msi_vectors", "msix_vectors", "flr". */
void space_put(struct json *map, const struct space *s);

#endif
