/* SPDX-License-Identifier: MIT */
#include "view/inventory.h"

#include "base/num.h"
#include "replay.h"

#include <string.h>

#define DEVICE(fn, class, driver)                                                                \
	"link /sys/bus/pci/devices/0000:01:00." fn " ../../../devices/pci0000:00/0000:01:00." fn \
	"\nat /sys/devices/pci0000:00/0000:01:00." fn                                            \
	"\nfile vendor 0x10de\nfile device 0x1234\nfile class " class                            \
		"\nlink iommu_group ../../../kernel/iommu_groups/7\n" driver
#define ON_VFIO "link driver ../../../bus/pci/drivers/vfio-pci\n"
#define ON(name) "link driver ../../../bus/pci/drivers/" name "\n"
#define CARD DEVICE("0", "0x030000", ON_VFIO)
#define IOMMU "dir /sys/class/iommu/dmar0\n"
#define GROUP "dir /sys/kernel/iommu_groups/7\n"

struct state_row {
	const char *host;
	const char *state; /* of 01:00.0 */
};

/* 'ready' is a promise: the next program opens the group. */
static const struct state_row state_rows[] = {
	{IOMMU GROUP CARD, "ready"},
	{IOMMU GROUP CARD DEVICE("1", "0x040300", ON_VFIO), "ready"},
	{IOMMU GROUP CARD DEVICE("1", "0x040300", ""), "ready"},
	{IOMMU GROUP CARD DEVICE("1", "0x040300", ON("pci-stub")), "ready"},
	{IOMMU GROUP CARD DEVICE("1", "0x060400", ON("pcieport") "file secondary_bus_number 2\n"),
		"ready"},
	/* Half of the group: VFIO refuses it, but usher can take the other half. */
	{IOMMU GROUP CARD DEVICE("1", "0x040300", ON("snd_hda_intel")), "free"},
	/* The other half is the host's. */
	{IOMMU GROUP CARD DEVICE("1", "0x060100", ON("lpc_ich")), "group"},
	/* VFIO's own groups of one device isolate nothing. */
	{GROUP "file /sys/kernel/iommu_groups/7/name vfio-noiommu\n" CARD, "-"},
	/* A host with a device tree has groups and no entry in /sys/class/iommu. */
	{GROUP CARD, "ready"},
	{"dir /sys/kernel/iommu_groups\n" CARD, "-"},
};

START_TEST(promises_no_more_than_vfio_keeps)
{
	const struct pci_address card = {.bus = 1};

	for (size_t i = 0; i < COUNT(state_rows); i++) {
		struct host *h = replay_lines(state_rows[i].host);
		struct inventory v;
		struct err e = {0};

		ck_assert_msg(inventory_read(h, HOLD_LISTING, &v, &e) == 0, "%s", e.msg);
		const struct inventory_entry *x = inventory_find(&v, card);
		ck_assert_ptr_nonnull(x);
		ck_assert_msg(strcmp(inventory_state_name(x->state), state_rows[i].state) == 0,
			"row %zu: %s, not %s", i, inventory_state_name(x->state),
			state_rows[i].state);
		inventory_fini(&v);
		host_close(h);
	}
}
END_TEST

SUITE("inventory", promises_no_more_than_vfio_keeps)
