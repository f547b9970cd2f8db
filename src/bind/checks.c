/* SPDX-License-Identifier: MIT */
#include "bind/checks.h"

#include "base/num.h"

#include <string.h>

#define NEVER BIND_LIFT_NEVER
#define PARTLY BIND_LIFT_PARTLY
#define ALWAYS BIND_LIFT_ALWAYS

/* In the order of usher-bind(1): uses first, then the device, the group, and the guest. */
static const struct bind_check checks[] = {
	{"block", PARTLY,
		"a disk of the device is mounted, swap, part of a volume, exported or open"},
	{"net", PARTLY,
		"an interface of the device has an address, a route, a session or a bridge"},
	{"gpu", PARTLY, "the device is a display that the host uses"},
	{"input", PARTLY, "the device has the host's last keyboard, or a console"},
	{"fd", PARTLY, "a process has a node of the device open"},
	{"dma", PARTLY, "DMA channels of the device have clients"},
	{"vfio", PARTLY, "the group is open; only a release can skip it"},
	{"sriov", PARTLY, "the device has virtual functions, or a mediated device is at work"},
	{"iommu", NEVER, "the device is behind no IOMMU that the kernel uses"},
	{"id", NEVER, "the device has other ids than --id says"},
	{"bridge", NEVER, "the device is a PCI bridge"},
	{"platform", PARTLY, "the device is a part of the host; a dummy without a driver may stay"},
	{"denylist", NEVER, "vfio-pci denies the device"},
	{"dead", NEVER, "the device does not answer"},
	{"locked", NEVER, "the kernel hangs in the device's driver"},
	{"member", NEVER, "with --only: another device keeps the group from VFIO"},
	{"user", ALWAYS, "the user would gain access to devices that are not named"},
	{"reserved", ALWAYS, "the firmware does DMA for the device, or the addresses are reserved"},
	{"no-reset", ALWAYS, "nothing resets the device, so it stays on VFIO at the end"},
	{"framebuffer", NEVER, "the boot framebuffer is in a BAR; usher unbinds it first"},
	{"rom", ALWAYS, "the guest gets a ROM that cannot be read or is not the device's"},
	{"bar", NEVER, "the BAR of --bar cannot have that size"},
	{"lease", NEVER, "the group is lent, or another usher works on it"},
	{"journal", NEVER, "the entry in the journal cannot be read"},
	{"unknown", NEVER, "the device is gone, and nothing says where it was"},
	{"port", NEVER, "the port of a device that is gone cannot be used"},
	{"count", NEVER, "the device cannot have that many virtual functions"},
	{"driver", PARTLY, "the driver makes no virtual functions, or works while its ROM is read"},
	{"settings", NEVER, "settings of virtual functions would be lost"},
	{"memlock", NEVER, "this user may not lock the guest's memory"},
	{"memory", NEVER, "the host has too little memory for the guest"},
	{"hugepages", NEVER, "too few huge pages are free"},
	{"bars", NEVER, "the guest has no room for the BARs of its devices"},
	{"mmap", NEVER, "something of the host holds a BAR"},
	{"session", ALWAYS, "with --display-handover: a person is logged in at the screen"},
	{"display", NEVER, "with --display-handover: the host's screen is on another card"},
	{"boot", NEVER, "kernel and initial ramdisk do not fit into the guest's memory"},
};

const struct bind_check *bind_check_at(size_t i)
{
	return i < COUNT(checks) ? &checks[i] : NULL;
}

const struct bind_check *bind_check_find(const char *name)
{
	for (size_t i = 0; i < COUNT(checks); i++)
		if (strcmp(checks[i].name, name) == 0)
			return &checks[i];
	return NULL;
}

const char *bind_lift_name(enum bind_lift lift)
{
	static const char *const names[] = {[NEVER] = "no", [PARTLY] = "partly", [ALWAYS] = "yes"};

	return names[lift];
}
