/* SPDX-License-Identifier: MIT */
#include "bind/reset.h"
#include "base/file.h"
#include "pci/host.h"

#include <string.h>

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

/* No bridge leads to a root bus, so nothing can pull its reset line: "…/pci0000:00/0000:00:02.0". */
static bool on_root_bus(struct host *h, struct pci_address a)
{
	char path[FILE_PATH_MAX], target[FILE_PATH_MAX];

	if (pci_device_path(a, "", path, sizeof(path)) < 0)
		return true;
	path[strlen(path) - 1] = '\0';
	ssize_t n = h->ops->link(h, path, target, sizeof(target));
	char *slash = n < 0 ? NULL : strrchr(target, '/');
	if (!slash)
		return true;
	*slash = '\0';
	return strncmp(file_base(target), "pci", 3) == 0;
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
