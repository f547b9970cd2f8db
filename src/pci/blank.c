/* SPDX-License-Identifier: MIT */
#include "pci/blank.h"

#include "base/file.h"
#include "host/host.h"
#include "pci/bar.h"
#include "pci/capability.h"
#include "pci/device.h"

#include <linux/pci_regs.h>

/* A device whose BARs are elsewhere: Enhanced Allocation, or those of a virtual function. */
static bool has_bars(struct host *h, const struct pci_config *c, struct pci_address a)
{
	char path[FILE_PATH_MAX], target[FILE_PATH_MAX];

	return pci_config_header(c) == PCI_HEADER_TYPE_NORMAL &&
	       !pci_capability_find(c, PCI_CAPABILITY_STANDARD, PCI_CAP_ID_EA) &&
	       pci_device_path(a, "physfn", path, sizeof(path)) == 0 &&
	       h->ops->link(h, path, target, sizeof(target)) < 0;
}

bool pci_device_is_blank(struct host *h, struct pci_address a)
{
	struct pci_bar bars[PCI_BAR_MAX];
	struct pci_config c;
	bool placed = false;

	if (pci_config_read(h, a, &c, NULL) < 0 || !has_bars(h, &c, a))
		return false;
	int count = pci_bar_read(h, a, bars, NULL);
	for (int i = 0; i < count; i++) {
		if (!bars[i].assigned || !bars[i].address || bars[i].index >= PCI_BAR_COUNT ||
			bars[i].kind == PCI_BAR_IO)
			continue;
		unsigned at = PCI_BASE_ADDRESS_0 + 4u * bars[i].index;
		placed = true;
		if (pci_config_u32(&c, at) & (uint32_t)PCI_BASE_ADDRESS_MEM_MASK ||
			(bars[i].kind == PCI_BAR_MEM64 && pci_config_u32(&c, at + 4)))
			return false;
	}
	return placed;
}
