/* SPDX-License-Identifier: MIT */
#include "view/fact.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/num.h"
#include "bind/gate.h"
#include "bind/module.h"
#include "host/host.h"
#include "pci/bar.h"
#include "pci/class.h"
#include "pci/vfs.h"
#include "view/size.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define VENDOR_VIRTIO 0x1af4
#define TOLD_MAX 8 /* names in one list */

static void fact_add(struct facts *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void fact_add(struct facts *f, const char *fmt, ...)
{
	va_list ap;

	if (f->count == FACTS_MAX)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(f->text[f->count++], FACT_TEXT, fmt, ap);
	va_end(ap);
}

int fact_source_read(struct host *h, struct fact_source *ret)
{
	*ret = (struct fact_source){.host = h, .iommu = pci_iommu_state(h)};
	int r = pci_device_list(h, &ret->devices, &ret->device_count, NULL);
	return r == -ENOENT ? 0 : r;
}

void fact_source_fini(struct fact_source *s)
{
	free(s->devices);
	*s = (struct fact_source){0};
}

static bool may_be_lent(const struct pci_device *d)
{
	return !d->is_bridge && !bind_is_platform(d);
}

void fact_vfio(const struct fact_source *s, struct facts *f)
{
	struct host_node n;
	bool has_driver = bind_driver_present(s->host, "vfio-pci");
	int iommufd = s->host->ops->node(s->host, "/dev/iommu", &n);

	fact_add(f, "vfio-pci is %s.", has_driver ? "loaded" : "not loaded; 'usher bind' loads it");
	fact_add(f, "Its newer interface, iommufd, is %s.",
		iommufd == 0 ? "available" : "not available; usher uses groups");
	fact_iommu(s, f);
}

void fact_container(const struct fact_source *s, struct facts *f)
{
	struct host_node n;

	int r = s->host->ops->node(s->host, "/dev/vfio/vfio", &n);
	if (r == 0)
		fact_add(f, "/dev/vfio/vfio exists, mode %04o.", n.mode);
	else if (r == -ENOENT)
		fact_add(f, "/dev/vfio/vfio does not exist: VFIO's modules are not loaded.");
	else
		fact_add(f, "/dev/vfio/vfio: %s.", strerror(-r));
}

static int number_order(const void *a, const void *b)
{
	const int *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

void fact_group(const struct fact_source *s, struct facts *f)
{
	cleanup_free int *numbers = calloc(s->device_count + 1, sizeof(*numbers));
	size_t n = 0, groups = 0, most = 0;
	int largest = 0;

	if (!numbers)
		return;
	for (size_t i = 0; i < s->device_count; i++)
		if (s->devices[i].group != PCI_GROUP_NONE)
			numbers[n++] = s->devices[i].group;
	qsort(numbers, n, sizeof(*numbers), number_order);
	for (size_t i = 0, same; i < n; i += same) {
		for (same = 1; i + same < n && numbers[i + same] == numbers[i];)
			same++;
		groups++;
		if (same > most) {
			most = same;
			largest = numbers[i];
		}
	}
	if (groups)
		fact_add(f,
			"%zu devices are in %zu groups. The largest, group %d, has %zu: "
			"'usher list --group %d'.",
			n, groups, largest, most, largest);
	else
		fact_iommu(s, f);
}

static int first_name(void *arg, const char *name)
{
	(void)snprintf(arg, 32, "%s", name);
	return 1;
}

void fact_iommu(const struct fact_source *s, struct facts *f)
{
	struct err e = {0};
	char name[32] = "";

	if (s->iommu == PCI_IOMMU_ON) {
		(void)s->host->ops->list(s->host, "/sys/class/iommu", first_name, name);
		fact_add(f, "The IOMMU is on%s%s.", name[0] ? ": " : "", name);
		return;
	}
	pci_iommu_explain(s->host, s->iommu, &e);
	fact_add(f, "%c%s.", toupper((unsigned char)e.msg[0]), e.msg + 1);
	fact_add(f, "Fix: %s%s.", e.hint,
		s->iommu == PCI_IOMMU_KERNEL ? "; 'usher check' names the file" : "");
}

void fact_passthrough(const struct fact_source *s, struct facts *f)
{
	size_t candidates = 0;

	for (size_t i = 0; i < s->device_count; i++)
		candidates += may_be_lent(&s->devices[i]) && s->devices[i].group != PCI_GROUP_NONE;
	fact_add(f,
		"%zu of %zu devices are in a group and not needed by the host: "
		"'usher list' shows which are free.",
		candidates, s->device_count);
	if (s->iommu != PCI_IOMMU_ON)
		fact_iommu(s, f);
}

void fact_binding(const struct fact_source *s, struct facts *f)
{
	char address[PCI_ADDRESS_TEXT];
	size_t n = 0;

	for (size_t i = 0; i < s->device_count; i++) {
		const struct pci_device *d = &s->devices[i];

		if (!bind_on_vfio(s->host, d))
			continue;
		if (n++ < TOLD_MAX)
			fact_add(f, "%s (%s) is bound to %s.",
				pci_address_format(d->address, address), pci_class_name(d->class),
				d->driver);
	}
	if (n == 0)
		fact_add(f, "No device is bound to a VFIO driver.");
	else if (n > TOLD_MAX)
		fact_add(f, "And %zu more.", n - TOLD_MAX);
}

void fact_kvm(const struct fact_source *s, struct facts *f)
{
	struct host_node n;

	int r = s->host->ops->node(s->host, "/dev/kvm", &n);
	if (r == 0)
		fact_add(f, "/dev/kvm exists, mode %04o, group %u.", n.mode, n.gid);
	else
		fact_add(f, "/dev/kvm does not exist: 'usher check' shows why.");
}

void fact_virtio(const struct fact_source *s, struct facts *f)
{
	char address[PCI_ADDRESS_TEXT];
	size_t n = 0;

	for (size_t i = 0; i < s->device_count; i++) {
		const struct pci_device *d = &s->devices[i];

		if (d->vendor != VENDOR_VIRTIO || d->is_bridge)
			continue;
		if (n++ < TOLD_MAX)
			fact_add(f, "%s is a VirtIO device (%s): this machine is itself a guest.",
				pci_address_format(d->address, address), pci_class_name(d->class));
	}
	if (n == 0)
		fact_add(
			f, "This host has no VirtIO devices, so it is no guest with such devices.");
}

static int count_rivals(void *arg, const char *name)
{
	unsigned *n = arg;

	*n += strncmp(name, "pci-", 4) == 0 || strstr(name, ".xml");
	return 0;
}

void fact_owners(const struct fact_source *s, struct facts *f)
{
	static const struct {
		const char *folder, *what;
	} rivals[] = {
		{"/etc/driverctl.d", "devices bound by driverctl"},
		{"/run/libvirt/qemu", "running libvirt guests"},
	};
	unsigned any = 0;

	for (size_t i = 0; i < COUNT(rivals); i++) {
		unsigned n = 0;

		(void)s->host->ops->list(s->host, rivals[i].folder, count_rivals, &n);
		if (n)
			fact_add(f, "%s: %u.", rivals[i].what, n);
		any += n;
	}
	if (!any)
		fact_add(f, "Neither driverctl nor libvirt manages a device or runs a guest here.");
}

void fact_reset(const struct fact_source *s, struct facts *f)
{
	char address[PCI_ADDRESS_TEXT];
	size_t flr = 0, other = 0, none = 0;

	for (size_t i = 0; i < s->device_count; i++) {
		const struct pci_device *d = &s->devices[i];

		if (!may_be_lent(d))
			continue;
		if (strstr(d->reset_method, "flr"))
			flr++;
		else if (d->reset_method[0])
			other++;
		else if (none++ < TOLD_MAX)
			fact_add(f, "%s (%s) has no reset of its own.",
				pci_address_format(d->address, address), pci_class_name(d->class));
	}
	fact_add(f,
		"Devices with a function level reset: %zu; with another reset: %zu; "
		"with no reset of their own: %zu.",
		flr, other, none);
}

void fact_bar(const struct fact_source *s, struct facts *f)
{
	const struct pci_device *largest = NULL;
	struct pci_bar bars[PCI_BAR_MAX], most = {0};
	char address[PCI_ADDRESS_TEXT], size[32];
	size_t homeless = 0;

	for (size_t i = 0; i < s->device_count; i++) {
		int n = pci_bar_read(s->host, s->devices[i].address, bars, NULL);

		for (int k = 0; k < n && !s->devices[i].is_bridge; k++) {
			homeless += !bars[k].assigned && bars[k].kind != PCI_BAR_ROM &&
				    bars[k].kind != PCI_BAR_IO;
			if (bars[k].size > most.size && bars[k].kind != PCI_BAR_IO) {
				most = bars[k];
				largest = &s->devices[i];
			}
		}
	}
	if (largest)
		fact_add(f, "The largest BAR is BAR %u of %s (%s), %s.", most.index,
			pci_address_format(largest->address, address),
			pci_class_name(largest->class), size_format(most.size, size, sizeof(size)));
	else
		fact_add(f, "No BAR can be read.");
	if (homeless)
		fact_add(f, "The host did not assign %zu BARs: 'usher check' shows which.",
			homeless);
}

void fact_sriov(const struct fact_source *s, struct facts *f)
{
	char address[PCI_ADDRESS_TEXT];
	size_t n = 0;

	for (size_t i = 0; i < s->device_count; i++) {
		struct pci_vfs v = pci_vfs_read(s->host, s->devices[i].address);

		if (v.total && n++ < TOLD_MAX)
			fact_add(f, "%s has %u of %u virtual functions.",
				pci_address_format(s->devices[i].address, address), v.active,
				v.total);
	}
	if (n == 0)
		fact_add(f, "No device supports virtual functions.");
}
