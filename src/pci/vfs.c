/* SPDX-License-Identifier: MIT */
#include "pci/vfs.h"

#include "base/file.h"
#include "base/num.h"
#include "host/host.h"
#include "pci/device.h"

#include <string.h>

static uint16_t read_count(struct host *h, struct pci_address a, const char *attr)
{
	char path[FILE_PATH_MAX];
	uint64_t n = 0;

	if (pci_device_path(a, attr, path, sizeof(path)) < 0 || host_read_number(h, path, &n) < 0)
		return 0;
	return (uint16_t)min_u64(n, UINT16_MAX);
}

static int count_link(void *arg, const char *name)
{
	unsigned *n = arg;

	*n += strncmp(name, "virtfn", 6) == 0;
	return 0;
}

/* sriov_numvfs has it, too, but the kernel shows it under the device's lock: do not wait for it. */
static uint16_t count_links(struct host *h, struct pci_address a)
{
	char path[FILE_PATH_MAX];
	unsigned n = 0;

	if (pci_device_path(a, "", path, sizeof(path)) == 0)
		(void)h->ops->list(h, path, count_link, &n);
	return (uint16_t)n;
}

struct pci_vfs pci_vfs_read(struct host *h, struct pci_address a)
{
	struct pci_vfs v = {.total = read_count(h, a, "sriov_totalvfs")};
	char path[FILE_PATH_MAX], name[PCI_ADDRESS_TEXT];

	if (v.total) {
		v.active = count_links(h, a);
		return v;
	}
	if (pci_device_path(a, "physfn", path, sizeof(path)) == 0 &&
		host_link_name(h, path, name, sizeof(name)) > 0)
		v.is_virtual = pci_address_parse(name, &v.physical) == 0;
	return v;
}
