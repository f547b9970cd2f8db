/* SPDX-License-Identifier: MIT */
#include "pci/isolation.h"

#include "pci/capability.h"
#include "pci/upstream.h"

#include <errno.h>
#include <stdbool.h>

struct walk {
	struct host *host;
	const struct pci_device *const *members;
	size_t count;
	struct pci_reason *reasons;
	size_t reason_count;
};

static void add_reason(struct walk *w, enum pci_reason_kind kind, struct pci_address a)
{
	struct pci_config c;
	struct pci_express x;

	if (w->reason_count == PCI_REASONS_MAX)
		return;
	struct pci_reason reason = {.kind = kind, .address = a};
	int r = pci_config_read(w->host, a, &c, NULL);
	if (r < 0)
		c.size = 0;
	reason.acs = pci_acs_judge(&c);
	/* The kernel shows an ordinary user less of it, without an error. */
	if (reason.acs.verdict == PCI_ACS_UNKNOWN)
		reason.error = r < 0 ? r : -EACCES;
	if (pci_express_read(&c, &x) == 0) {
		reason.is_express = true;
		reason.type = x.type;
	}
	if (reason.acs.verdict != PCI_ACS_ISOLATES)
		w->reasons[w->reason_count++] = reason;
}

/* Whether another member is behind @bridge. */
static bool leads_to_member(const struct walk *w, const struct pci_device *bridge)
{
	struct pci_upstream u;

	for (size_t i = 0; i < w->count; i++)
		if (w->members[i] != bridge &&
			pci_upstream_read(w->host, w->members[i]->address, &u) == 0 &&
			pci_upstream_has(&u, bridge->address))
			return true;
	return false;
}

/* Members are in the order of their addresses, so functions of one slot are neighbours. */
static bool first_of_slot(const struct walk *w, size_t i)
{
	struct pci_address a = w->members[i]->address;

	return (i == 0 || !pci_address_same_slot(w->members[i - 1]->address, a)) &&
	       i + 1 < w->count && pci_address_same_slot(w->members[i + 1]->address, a);
}

size_t pci_isolation_read(struct host *h, const struct pci_device *const *members, size_t count,
	struct pci_reason ret[PCI_REASONS_MAX])
{
	struct walk w = {.host = h, .members = members, .count = count, .reasons = ret};

	for (size_t i = 0; i < count; i++) {
		if (members[i]->is_bridge && leads_to_member(&w, members[i]))
			add_reason(&w, PCI_REASON_PORT, members[i]->address);
		if (first_of_slot(&w, i))
			add_reason(&w, PCI_REASON_SLOT, members[i]->address);
	}
	return w.reason_count;
}
