/* SPDX-License-Identifier: MIT */
#include "pci/upstream.h"

#include "base/file.h"
#include "host/host.h"
#include "pci/device.h"

#include <errno.h>
#include <string.h>

/* "../../../devices/pci0000:00/0000:00:01.0/0000:01:00.0"; a VMD's domain is a folder in it. */
int pci_upstream_read(struct host *h, struct pci_address a, struct pci_upstream *ret)
{
	char path[FILE_PATH_MAX], target[FILE_PATH_MAX];
	struct pci_upstream u = {0};
	struct pci_address at;
	char *save = NULL;

	int r = pci_device_path(a, "", path, sizeof(path));
	if (r < 0)
		return r;
	path[strlen(path) - 1] = '\0';
	if (h->ops->link(h, path, target, sizeof(target)) < 0)
		return -ENODEV;
	for (char *part = strtok_r(target, "/", &save); part; part = strtok_r(NULL, "/", &save)) {
		/* A root bus: parts above it belong to another domain, or to the platform. */
		if (strncmp(part, "pci", 3) == 0)
			u.count = 0;
		if (pci_address_parse(part, &at) < 0)
			continue;
		if (pci_address_equal(at, a)) {
			*ret = u;
			return 0;
		}
		if (u.count == PCI_UPSTREAM_MAX)
			return -E2BIG;
		u.bridges[u.count++] = at;
	}
	return -ENODEV;
}

bool pci_upstream_has(const struct pci_upstream *u, struct pci_address bridge)
{
	for (size_t i = 0; i < u->count; i++)
		if (pci_address_equal(u->bridges[i], bridge))
			return true;
	return false;
}
