/* SPDX-License-Identifier: MIT */
#ifndef VIEW_DEVICE_H
#define VIEW_DEVICE_H

#include "bind/bind.h"
#include "claim/claim.h"
#include "claim/identity.h"
#include "hold/stop.h"
#include "pci/aer.h"
#include "pci/isolation.h"
#include "pci/reset.h"
#include "pci/serial.h"
#include "pci/sleep.h"
#include "view/regions.h"

struct err;
struct host;
struct inventory;
struct inventory_entry;
struct json;
struct names;

#define DEVICE_LOGGED_MAX 4

/* What the kernel logged about a loss or a hang, because the next change may end the same way. */
struct device_logged {
	const char *text; /* "an unbind waited for a program that had it open" */
	char line[256]; /* the first line; raw */
};

/* The facts that `show` prints about one device. */
struct device_facts {
	const struct inventory *inventory; /* of its host */
	const struct inventory_entry *entry; /* its entry in the inventory */
	struct pci_device device; /* with its override */
	struct space space;
	char place[CLAIM_PATH_MAX]; /* the place that claims use; "" if unknown */
	struct pci_serials serials;
	struct pci_sleep sleep;
	bool reset_failed; /* at the end of its last use, so it stays on VFIO */
	bool has_errors; /* the kernel counts them */
	struct pci_aer_count errors[PCI_AERS];
	struct pci_hot_reset hot;
	size_t reason_count;
	struct pci_reason reasons[PCI_REASONS_MAX]; /* why its group is large */
	struct bind_plan plan; /* what binding it would do */
	size_t stop_count;
	struct hold_stop stops[HOLD_STOPS_MAX]; /* what holds its driver */
	size_t logged_count;
	struct device_logged logged[DEVICE_LOGGED_MAX]; /* of this boot, the clearest first */
	bool has_claim; /* its own one, or the one that makes this virtual function */
	struct claim claim;
	struct claim_judgement judgement;
};

/*
 * @x is an entry of @v, which must outlive @ret.
 * Return: 0 (the caller calls device_facts_fini()), -errno.
 */
int device_facts_read(struct host *h, const struct inventory *v, const struct inventory_entry *x,
	struct device_facts *ret, struct err *e);
void device_facts_fini(struct device_facts *s);

/* On standard output. @n: NULL for no names. */
void device_text(const struct device_facts *s, struct names *n);

/* The keys of `show --json`. */
void device_json(struct json *map, const struct device_facts *s, struct names *n);

/* "0000:00:01.0 (root port) has no ACS: the devices behind it share a group". Return: @buf. */
const char *device_group_reason(const struct pci_reason *r, char *buf, size_t size);

#endif
