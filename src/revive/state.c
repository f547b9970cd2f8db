/* SPDX-License-Identifier: MIT */
#include "revive/state.h"

#include "base/file.h"
#include "host/host.h"
#include "pci/alive.h"
#include "pci/bar.h"
#include "pci/capability.h"

#include <errno.h>
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

/*
 * The kernel placed its memory, but every register that holds a place is 0. A driver of such a
 * device talks to nobody, and the kernel writes them again only for a device that it finds anew.
 */
static bool is_blank(struct host *h, struct pci_address a)
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

enum revive_state revive_state_read(struct host *h, struct pci_address a, struct pci_device *ret)
{
	struct pci_device d = {.address = a};

	/* First, because the kernel learns its power state from this. */
	int r = pci_device_is_dead(h, &d);
	if (pci_device_read(h, a, ret, NULL) < 0)
		return REVIVE_GONE;
	if (r == 1 || r == -ETIMEDOUT || ret->seems_dead)
		return REVIVE_DEAD;
	return is_blank(h, a) ? REVIVE_BLANK : REVIVE_ANSWERS;
}

const char *revive_state_name(enum revive_state s)
{
	static const char *const names[] = {
		[REVIVE_ANSWERS] = "answers",
		[REVIVE_BLANK] = "blank",
		[REVIVE_DEAD] = "dead",
		[REVIVE_GONE] = "gone",
	};

	return names[s];
}
