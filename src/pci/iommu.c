/* SPDX-License-Identifier: MIT */
#include "pci/iommu.h"

#include "base/err.h"
#include "base/file.h"
#include "base/num.h"
#include "host/host.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define TABLES "/sys/firmware/acpi/tables"
#define GROUPS "/sys/kernel/iommu_groups"

static int stop_at_first(void *arg, const char *name)
{
	return 1;
}

static int stop_at_table(void *arg, const char *name)
{
	/* Remapping tables of Intel, AMD, ARM, RISC-V and of virtio-iommu. */
	static const char *const tables[] = {"DMAR", "IVRS", "IORT", "RIMT", "VIOT"};

	for (size_t i = 0; i < COUNT(tables); i++) {
		if (strcmp(name, tables[i]) != 0)
			continue;
		*(const char **)arg = tables[i];
		return 1;
	}
	return 0;
}

static const char *find_table(struct host *h)
{
	const char *table = NULL;

	(void)h->ops->list(h, TABLES, stop_at_table, &table);
	return table;
}

/* VFIO makes groups for its mode without an IOMMU, too: vfio_noiommu_group_alloc(). */
static bool group_is_real(struct host *h, const char *number)
{
	char path[FILE_PATH_MAX], text[32];

	if (file_path(path, sizeof(path), GROUPS "/%s/name", number) < 0 ||
		host_read_text(h, path, text, sizeof(text)) <= 0)
		return true;
	return strcmp(text, "vfio-noiommu") != 0;
}

static int stop_at_real_group(void *arg, const char *name)
{
	return group_is_real(arg, name);
}

bool pci_iommu_isolates(struct host *h, int group)
{
	char number[16];

	(void)snprintf(number, sizeof(number), "%d", group);
	return group >= 0 && group_is_real(h, number);
}

enum pci_iommu pci_iommu_state(struct host *h)
{
	/* Hosts with a device tree have groups without an entry in /sys/class/iommu. */
	if (h->ops->list(h, "/sys/class/iommu", stop_at_first, NULL) > 0 ||
		h->ops->list(h, GROUPS, stop_at_real_group, h) > 0)
		return PCI_IOMMU_ON;
	return find_table(h) ? PCI_IOMMU_KERNEL : PCI_IOMMU_FIRMWARE;
}

void pci_iommu_explain(struct host *h, enum pci_iommu state, struct err *e)
{
	static const char inactive[] = "this host has no active IOMMU, so no device can be lent";
	const char *table = find_table(h);

	if (state == PCI_IOMMU_ON || !e)
		return;
	if (state == PCI_IOMMU_FIRMWARE) {
		(void)err_say(e, -ENODEV, "%s: the firmware reports none", inactive);
		err_hint(e, "turn on %s in the firmware setup and reboot",
			"VT-d (Intel) or AMD-Vi/IOMMU (AMD)");
		return;
	}
	(void)err_say(e, -ENODEV,
		"%s: the firmware reports one (ACPI table %s), but the kernel leaves it off",
		inactive, table ? table : "?");
	if (table && strcmp(table, "DMAR") == 0)
		err_hint(e, "add 'intel_iommu=on' to the kernel command line and reboot");
	else
		err_hint(e, "remove %s from the kernel command line and reboot",
			"'iommu=off' or 'amd_iommu=off'");
}
