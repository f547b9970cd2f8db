/* SPDX-License-Identifier: MIT */
#ifndef VIEW_LISTING_H
#define VIEW_LISTING_H

#include "base/err.h"
#include "pci/vfs.h"
#include "view/inventory.h"
#include "view/lookup.h"
#include "view/tree.h"

struct filter;
struct host;
struct names;

/* What a form of `usher list` shows beyond the inventory; each costs reads of the host. */
enum listing_part {
	LISTING_VFS = 1, /* SR-IOV */
	LISTING_NODES = 2, /* names of interfaces, disks and graphics cards */
	LISTING_IOMMU = 4, /* why the IOMMU is off */
};

/* The facts that `usher list` shows. The writers below get these and no host. */
struct listing {
	struct inventory inventory;
	struct tree tree; /* the devices that match, in the order in which they are shown */
	struct names *names; /* of vendors and devices; NULL: ids are shown instead */
	unsigned parts; /* LISTING_* that were read */
	struct pci_vfs *vfs; /* with LISTING_VFS: one for each entry of @inventory */
	struct lookup_names nodes; /* with LISTING_NODES */
	struct err iommu; /* with LISTING_IOMMU: message and hint; empty while it is on */
};

/*
 * Reads the devices that match @f. @parts: LISTING_*. @names becomes the listing's. listing_fini()
 * either way.
 * Return: 0, -ENOENT without PCI, -ENOMEM, -errno.
 */
int listing_read(struct host *h, const struct filter *f, enum tree_kind kind, unsigned parts,
	struct names *names, struct listing *ret, struct err *e);
void listing_fini(struct listing *l);

/* The SR-IOV facts of @x, an entry of @l->inventory; zeros when they were not read. */
struct pci_vfs listing_vfs(const struct listing *l, const struct inventory_entry *x);

struct columns;

/*
 * Writers, on standard output. What a device or a process may have put into a text is escaped.
 * @is_default: the user did not choose @c, so columns without content, or without room, are left
 * out.
 * Return: 0, -ENOMEM, -ENOPKG.
 */
int listing_table(const struct listing *l, const struct columns *c, enum tree_kind kind,
	bool is_default, struct err *e);
int listing_json(const struct listing *l, struct err *e);

/* Pictures of the topology (a tree of TREE_BRIDGES): groups are boxes around their members. */
void listing_dot(const struct listing *l); /* for Graphviz */
/* Return: 0, -EFBIG. */
int listing_svg(const struct listing *l, struct err *e);

#endif
