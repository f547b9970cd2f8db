/* SPDX-License-Identifier: MIT */
#include "pci/alive.h"

#include "base/file.h"
#include "host/host.h"
#include "pci/device.h"

#define IDS_SIZE 4
#define HEADER_SIZE 12 /* ids, command and status, class */

static bool are_ones(const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (bytes[i] != UINT8_MAX)
			return false;
	return true;
}

static bool is_virtual_function(struct host *h, struct pci_address a)
{
	char path[FILE_PATH_MAX], target[FILE_PATH_MAX];

	return pci_device_path(a, "physfn", path, sizeof(path)) == 0 &&
	       h->ops->link(h, path, target, sizeof(target)) > 0;
}

bool pci_header_is_dead(struct host *h, struct pci_address a, const uint8_t *bytes, size_t size)
{
	if (size < IDS_SIZE || !are_ones(bytes, IDS_SIZE))
		return false;
	return (size >= HEADER_SIZE && are_ones(bytes, HEADER_SIZE)) || !is_virtual_function(h, a);
}

int pci_device_is_dead(struct host *h, const struct pci_device *d)
{
	char path[FILE_PATH_MAX];
	uint8_t bytes[HEADER_SIZE];

	int r = pci_device_path(d->address, "config", path, sizeof(path));
	if (r < 0)
		return r;
	ssize_t n = h->ops->read(h, path, bytes, sizeof(bytes));
	return n < 0 ? (int)n : pci_header_is_dead(h, d->address, bytes, (size_t)n);
}
