/* SPDX-License-Identifier: MIT */
#include "pci/group.h"

#include "base/err.h"
#include "base/file.h"

#include <errno.h>
#include <stdlib.h>

int pci_group_read(struct host *h, int number, struct pci_group *ret, struct err *e)
{
	struct pci_group g = {.number = number};
	struct err why = {0};
	char path[FILE_PATH_MAX];

	int r = file_path(path, sizeof(path), "/sys/kernel/iommu_groups/%d/devices", number);
	if (r == 0)
		r = pci_device_list_in(h, path, &g.members, &g.count, &why);
	if (r == -ENOENT)
		return err_say(e, r, "there is no IOMMU group %d", number);
	if (r < 0 && why.code)
		return err_say(e, r, "IOMMU group %d: %s", number, why.msg);
	if (r < 0)
		return err_set(e, r, "IOMMU group %d: list its devices", number);
	*ret = g;
	return 0;
}

void pci_group_fini(struct pci_group *g)
{
	free(g->members);
	*g = (struct pci_group){.number = PCI_GROUP_NONE};
}
