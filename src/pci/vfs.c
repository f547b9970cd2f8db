/* SPDX-License-Identifier: MIT */
#include "pci/vfs.h"
#include "base/file.h"
#include "base/num.h"
#include "pci/device.h"
#include "pci/host.h"

static uint16_t number(struct host *h, struct pci_address a, const char *attr)
{
	char path[FILE_PATH_MAX];
	uint64_t n = 0;

	if (pci_device_path(a, attr, path, sizeof(path)) < 0 || host_read_number(h, path, &n) < 0)
		return 0;
	return (uint16_t)min_u64(n, UINT16_MAX);
}

struct pci_vfs pci_vfs_read(struct host *h, struct pci_address a)
{
	struct pci_vfs v = {.total = number(h, a, "sriov_totalvfs")};
	char path[FILE_PATH_MAX], name[PCI_ADDRESS_TEXT];

	if (v.total) {
		v.active = number(h, a, "sriov_numvfs");
		return v;
	}
	if (pci_device_path(a, "physfn", path, sizeof(path)) == 0 &&
		host_link_name(h, path, name, sizeof(name)) > 0)
		v.is_virtual = pci_address_parse(name, &v.physical) == 0;
	return v;
}
