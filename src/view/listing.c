/* SPDX-License-Identifier: MIT */
#include "view/listing.h"

#include "host/host.h"
#include "view/names.h"

#include <errno.h>
#include <stdlib.h>

/* Only of the devices that are shown. */
static int read_vfs(struct host *h, struct listing *l)
{
	l->vfs = calloc(l->inventory.count + 1, sizeof(*l->vfs));
	if (!l->vfs)
		return -ENOMEM;
	for (size_t i = 0; i < l->tree.count; i++) {
		const struct inventory_entry *x = l->tree.list[i].entry;

		if (x)
			l->vfs[x - l->inventory.list] = pci_vfs_read(h, x->device.address);
	}
	return 0;
}

static int read_parts(struct host *h, struct listing *l)
{
	if (l->parts & LISTING_IOMMU && l->inventory.iommu != PCI_IOMMU_ON)
		pci_iommu_explain(h, l->inventory.iommu, &l->iommu);
	if (l->parts & LISTING_VFS && read_vfs(h, l) < 0)
		return -ENOMEM;
	return l->parts & LISTING_NODES ? lookup_names_read(h, &l->nodes) : 0;
}

int listing_read(struct host *h, const struct filter *f, enum tree_kind kind, unsigned parts,
	struct names *names, struct listing *ret, struct err *e)
{
	*ret = (struct listing){.names = names, .parts = parts};
	int r = inventory_read(h, HOLD_LISTING, &ret->inventory, e);
	if (r < 0)
		return r;
	if (tree_make(&ret->inventory, f, kind, &ret->tree) < 0 || read_parts(h, ret) < 0)
		return err_set(e, -ENOMEM, "list PCI devices");
	return 0;
}

void listing_fini(struct listing *l)
{
	lookup_names_fini(&l->nodes);
	free(l->vfs);
	tree_fini(&l->tree);
	inventory_fini(&l->inventory);
	names_free(l->names);
	*l = (struct listing){0};
}

struct pci_vfs listing_vfs(const struct listing *l, const struct inventory_entry *x)
{
	return l->vfs ? l->vfs[x - l->inventory.list] : (struct pci_vfs){0};
}
