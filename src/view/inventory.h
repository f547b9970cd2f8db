/* SPDX-License-Identifier: MIT */
#ifndef VIEW_INVENTORY_H
#define VIEW_INVENTORY_H

#include "hold/hold.h"
#include "pci/device.h"
#include "pci/iommu.h"

struct err;
struct host;

/* Whether a device can be lent now. */
enum inventory_state {
	INVENTORY_FREE, /* neither it nor another member of its group is in use */
	INVENTORY_MAYBE, /* no use found, but usher has not seen all users */
	INVENTORY_READY, /* on a VFIO driver, not open */
	INVENTORY_LENT, /* its group is open */
	INVENTORY_BUSY, /* in use */
	INVENTORY_DEAD, /* it does not answer any more */
	INVENTORY_GROUP, /* it is free, but another member of its group is not */
	INVENTORY_BRIDGE, /* a PCI bridge, which keeps its driver */
	INVENTORY_HOST, /* a part of the host, never lent */
	INVENTORY_NO_IOMMU, /* no IOMMU isolates it */
};

struct inventory_entry {
	struct pci_device device;
	struct holds holds;
	enum inventory_state state;
	const struct inventory_entry
		*sibling; /* with INVENTORY_GROUP: the member that is not free */
	char lease[160]; /* the journal's text about its group; "" for none */
	bool manual; /* @lease says that it is bound manually, not who uses it */
};

struct inventory {
	size_t count;
	struct inventory_entry *list; /* by address */
	enum pci_iommu iommu;
	bool blind; /* processes of other users could not be inspected */
	bool unlooked; /* other network namespaces exist, and were not looked into */
};

/*
 * Reads all devices, their users and their states. The caller calls inventory_fini() in any case.
 */
int inventory_read(struct host *h, enum hold_depth depth, struct inventory *ret, struct err *e);
void inventory_fini(struct inventory *v);

/*
 * Reads the registers of a device, which wakes it, and marks it as dead if it does not answer. What
 * is read of all devices shows only deaths that the kernel has noticed.
 */
void inventory_look(struct inventory *v, struct host *h, struct pci_address a);

/* Return: NULL if there is no such device. */
const struct inventory_entry *inventory_find(const struct inventory *v, struct pci_address a);

/* "free", "free?", "ready", "lent", "busy", "dead", "group", "bridge", "host", "-". */
const char *inventory_state_name(enum inventory_state s);

/* Writes the reason for the state of @x; "" for none. */
void inventory_reason(const struct inventory_entry *x, char *buf, size_t size);

#endif
