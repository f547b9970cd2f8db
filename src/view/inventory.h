/* SPDX-License-Identifier: MIT */
#ifndef VIEW_INVENTORY_H
#define VIEW_INVENTORY_H

#include "hold/hold.h"
#include "pci/device.h"
#include "pci/iommu.h"

struct err;
struct host;

/* Whether a device could be lent now, in one word. */
enum inventory_state {
	INVENTORY_FREE, /* nobody uses it or a sibling */
	INVENTORY_MAYBE, /* nobody was seen to; not all could be looked at */
	INVENTORY_READY, /* on a VFIO driver, not open */
	INVENTORY_LENT, /* its group is open */
	INVENTORY_BUSY, /* somebody uses it */
	INVENTORY_GROUP, /* it is free, a sibling in its group is not */
	INVENTORY_BRIDGE, /* a PCI bridge: stays with its driver */
	INVENTORY_HOST, /* carries the host itself: never */
	INVENTORY_NO_IOMMU, /* nothing can hold it apart */
};

struct inventory_entry {
	struct pci_device device;
	struct holds holds;
	enum inventory_state state;
	const struct inventory_entry *sibling; /* with INVENTORY_GROUP: the one that is not free */
	char lease[160]; /* what usher's journal says of its group; "" for nothing */
	bool kept; /* that it is bound by hand, which says nothing of who uses it */
};

struct inventory {
	size_t count;
	struct inventory_entry *list; /* by address */
	enum pci_iommu iommu;
	bool blind; /* processes of other users could not be looked at */
};

/* All devices, who uses them, and what that makes of each. inventory_fini() either way. */
int inventory_read(struct host *h, enum hold_depth depth, struct inventory *ret, struct err *e);
void inventory_fini(struct inventory *v);

/* NULL when it is not there. */
const struct inventory_entry *inventory_find(const struct inventory *v, struct pci_address a);

/* "free", "free?", "ready", "lent", "busy", "group", "bridge", "host", "-". */
const char *inventory_state_name(enum inventory_state s);

/* One sentence for the state of @x; "" where the word says it all. */
void inventory_reason(const struct inventory_entry *x, char *buf, size_t size);

#endif
