/* SPDX-License-Identifier: MIT */
#include "bind/reset.h"

#include "host/host.h"
#include "pci/upstream.h"

struct bus {
	struct pci_address address;
	const struct pci_address *taken;
	size_t taken_count;
};

/* Stops the listing at a function of the bus that is not taken. */
static int find_stranger(void *arg, const char *name)
{
	const struct bus *b = arg;
	struct pci_address a;

	if (pci_address_parse(name, &a) < 0 || a.domain != b->address.domain ||
		a.bus != b->address.bus)
		return 0;
	for (size_t i = 0; i < b->taken_count; i++)
		if (pci_address_equal(a, b->taken[i]))
			return 0;
	return 1;
}

/* No bridge leads to a root bus, so nothing can pull its reset line. */
static bool on_root_bus(struct host *h, struct pci_address a)
{
	struct pci_upstream u;

	return pci_upstream_read(h, a, &u) < 0 || u.count == 0;
}

bool bind_reset_works(struct host *h, const struct pci_device *d, const struct pci_address *taken,
	size_t taken_count)
{
	struct bus b = {d->address, taken, taken_count};

	if (d->reset_method[0])
		return true;
	if (on_root_bus(h, d->address))
		return false;
	return h->ops->list(h, "/sys/bus/pci/devices", find_stranger, &b) == 0;
}
