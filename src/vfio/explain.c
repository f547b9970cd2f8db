/* SPDX-License-Identifier: MIT */
#include "vfio/explain.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/num.h"
#include "pci/group.h"
#include "pci/host.h"

struct search {
	dev_t rdev;
	bool found;
	struct host_holder holder;
};

static int match_holder(void *arg, const struct host_holder *o)
{
	struct search *s = arg;

	if (o->rdev != s->rdev)
		return 0;
	s->holder = *o;
	s->found = true;
	return 1;
}

int vfio_explain_busy(struct host *h, int group, dev_t rdev, struct err *e)
{
	struct search s = {.rdev = rdev};
	char comm[80];

	if (h && rdev)
		(void)h->ops->holders(h, match_holder, &s);
	if (s.found) {
		file_escape(comm, sizeof(comm), s.holder.comm);
		(void)err_say(e, -EBUSY, "IOMMU group %d is open in process %d ('%s', user %u)",
			group, (int)s.holder.pid, comm, (unsigned)s.holder.uid);
		err_hint(e, "a group has one owner: end that process, or give it the device");
		return -EBUSY;
	}
	/* Its owner may have closed the group's node: an open device still holds the group. */
	(void)err_say(e, -EBUSY, "IOMMU group %d is in use by another process", group);
	err_hint(e, "a device of the group may be open without its node: see /proc/*/fd for "
		    "anon_inode:[vfio-device]");
	return -EBUSY;
}

/* Drivers that never do DMA for the host leave a group viable (kernel: driver_managed_dma). */
static bool in_the_way(const struct pci_device *d)
{
	static const char *const harmless[] = {"", "vfio-pci", "pci-stub", "pcieport"};

	for (size_t i = 0; i < COUNT(harmless); i++)
		if (!strcmp(d->driver, harmless[i]))
			return false;
	/* Variant drivers: mlx5_vfio_pci, nvgrace_gpu_vfio_pci, mlx5-vfio-pci, … */
	return !strstr(d->driver, "vfio_pci") && !strstr(d->driver, "vfio-pci");
}

int vfio_explain_not_viable(struct host *h, int group, struct err *e)
{
	struct pci_group g = {0};
	char list[256] = "", first[PCI_ADDRESS_TEXT] = "", text[PCI_ADDRESS_TEXT], driver[128];
	size_t len = 0;

	if (h && group >= 0 && !pci_group_read(h, group, &g, NULL)) {
		for (size_t i = 0; i < g.count && len < sizeof(list); i++) {
			if (!in_the_way(&g.members[i]))
				continue;
			pci_address_format(g.members[i].address, text);
			file_escape(driver, sizeof(driver), g.members[i].driver);
			if (!first[0])
				memcpy(first, text, sizeof(first));
			len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s is on '%s'",
				len ? ", " : "", text, driver);
		}
		pci_group_fini(&g);
	}
	(void)err_say(
		e, -EPERM, "IOMMU group %d is not viable%s%s", group, list[0] ? ": " : "", list);
	if (first[0])
		err_hint(e, "the whole group must leave the host's drivers: usher bind %s", first);
	else
		err_hint(e, "a member is on a driver of the host: usher show group %d", group);
	return -EPERM;
}
