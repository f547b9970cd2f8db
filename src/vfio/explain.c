/* SPDX-License-Identifier: MIT */
#include "vfio/explain.h"

#include "base/err.h"
#include "base/file.h"
#include "base/num.h"
#include "host/host.h"
#include "pci/group.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define DEVICES "/sys/bus/pci/devices"

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

/* A descriptor of a device does not say which group it is of, but few processes have one. */
#define DEVICE_LINK "anon_inode:[vfio-device]"
#define CANDIDATES_MAX 3

struct candidates {
	struct host *host;
	const char *pid; /* of the process whose descriptors are read */
	size_t count, len;
	char text[160];
};

static void add_candidate(struct candidates *c)
{
	char path[FILE_PATH_MAX], raw[32] = "", comm[80];

	(void)file_path(path, sizeof(path), "/proc/%s/comm", c->pid);
	(void)host_read_text(c->host, path, raw, sizeof(raw));
	file_escape(comm, sizeof(comm), raw);
	if (c->count < CANDIDATES_MAX && c->len < sizeof(c->text))
		c->len += (size_t)snprintf(c->text + c->len, sizeof(c->text) - c->len,
			"%sprocess %.10s ('%s')", c->count ? ", " : "", c->pid, comm);
	c->count++;
}

static int match_descriptor(void *arg, const char *fd)
{
	struct candidates *c = arg;
	char path[FILE_PATH_MAX], target[64];

	if (file_path(path, sizeof(path), "/proc/%s/fd/%s", c->pid, fd) < 0 ||
		c->host->ops->link(c->host, path, target, sizeof(target)) < 0 ||
		strcmp(target, DEVICE_LINK) != 0)
		return 0;
	add_candidate(c);
	return 1;
}

static int match_process(void *arg, const char *pid)
{
	struct candidates *c = arg;
	char path[FILE_PATH_MAX];

	if (strspn(pid, "0123456789") != strlen(pid) ||
		file_path(path, sizeof(path), "/proc/%s/fd", pid) < 0)
		return 0;
	c->pid = pid;
	(void)c->host->ops->list(c->host, path, match_descriptor, c);
	return 0;
}

/* The owner may have closed the group's node; an open device still holds the group. */
static void hint_candidates(struct host *h, struct err *e)
{
	struct candidates c = {.host = h};

	if (h)
		(void)h->ops->list(h, "/proc", match_process, &c);
	if (c.count)
		err_hint(e,
			"a device of the group may be open without its node; VFIO devices are open "
			"in: %s%s",
			c.text, c.count > CANDIDATES_MAX ? ", …" : "");
	else
		err_hint(e, "a device of the group may be open without its node: see /proc/*/fd "
			    "for " DEVICE_LINK);
}

int vfio_explain_busy(struct host *h, int group, dev_t rdev, struct err *e)
{
	struct search s = {.rdev = rdev};
	char comm[80];

	if (h && rdev)
		(void)h->ops->holders(h, HOST_LOOK_DESCRIPTORS, match_holder, &s);
	if (s.found) {
		file_escape(comm, sizeof(comm), s.holder.comm);
		(void)err_say(e, -EBUSY, "IOMMU group %d is open in process %d ('%s', user %u)",
			group, (int)s.holder.pid, comm, (unsigned)s.holder.uid);
		err_hint(e, "a group has one owner at a time: end that process first");
		return -EBUSY;
	}
	(void)err_say(e, -EBUSY, "IOMMU group %d is in use by another process", group);
	hint_candidates(h, e);
	return -EBUSY;
}

/* vfio-pci, or a variant: mlx5_vfio_pci, nvgrace_gpu_vfio_pci, mlx5-vfio-pci, … */
static bool is_vfio(const char *driver)
{
	return strstr(driver, "vfio_pci") || strstr(driver, "vfio-pci");
}

/* Drivers that never do DMA for the host leave a group viable (kernel: driver_managed_dma). */
static bool in_the_way(const struct pci_device *d)
{
	static const char *const harmless[] = {"", "pci-stub", "pcieport"};

	for (size_t i = 0; i < COUNT(harmless); i++)
		if (strcmp(d->driver, harmless[i]) == 0)
			return false;
	return !is_vfio(d->driver);
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
		err_hint(e, "a member is on a host driver: usher show group %d", group);
	return -EPERM;
}

int vfio_explain_absent(struct host *h, const char *address, struct err *e)
{
	char path[FILE_PATH_MAX], name[64] = "", driver[128];

	/* Removed since it was looked up? */
	if (!h || file_path(path, sizeof(path), "%s/%s/iommu_group", DEVICES, address) < 0 ||
		host_link_name(h, path, name, sizeof(name)) < 0)
		return -ENODEV;
	(void)file_path(path, sizeof(path), "%s/%s/driver", DEVICES, address);
	int r = host_link_name(h, path, name, sizeof(name));
	if (r >= 0 ? is_vfio(name) : r != -ENOENT)
		return -ENODEV; /* it is being removed */
	file_escape(driver, sizeof(driver), name);
	if (r >= 0)
		(void)err_say(e, -ENODEV, "%s is on driver '%s', not on vfio-pci", address, driver);
	else
		(void)err_say(e, -ENODEV, "%s is on no driver, so VFIO does not have it", address);
	err_hint(e, "usher bind %s", address);
	return -ENODEV;
}
