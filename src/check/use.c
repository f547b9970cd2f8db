/* SPDX-License-Identifier: MIT */
#include "base/file.h"
#include "base/num.h"
#include "check/rule.h"
#include "pci/vfs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Rules about the current users of a device, as hold/ finds them. */

/* Where the evidence of a kind of hold is. */
struct use {
	const char *check;
	const char *folder; /* that the object is in; NULL: the device's own */
};

static void tell_hold(struct check_case *c, const struct use *u, const struct hold *o)
{
	char path[FILE_PATH_MAX], fix[HOLD_FIX_MAX];

	/* A share ("9p TAG") has no node, and a BAR is a file of the device. */
	if (strncmp(o->object, "region", 6) == 0)
		(void)file_path(path, sizeof(path), "/sys/bus/cxl/devices/%s", o->object);
	else if (strcmp(o->object, "CXL") == 0 || strcmp(o->object, "virtio_mem") == 0)
		(void)file_path(path, sizeof(path), "/proc/iomem");
	else if (strchr(o->object, ' '))
		(void)file_path(path, sizeof(path), "/proc/self/mountinfo");
	else if (u->folder && strncmp(o->object, "resource", 8) != 0)
		(void)file_path(path, sizeof(path), "%s%s", u->folder, o->object);
	else
		check_attribute_path(c, o->object, path, sizeof(path));
	if (o->unsure) {
		check_blind(c, path, -EACCES);
		return;
	}
	check_found(c, CHECK_FAIL, c->address, "%s: %s", o->object, o->text);
	check_seen(c, path, o->text);
	check_fix(c, "%s", hold_fix(o, fix, sizeof(fix)));
}

static void tell_holds(struct check_case *c, const struct use *u)
{
	for (size_t i = 0; i < c->holds.count; i++)
		if (strcmp(c->holds.list[i].check, u->check) == 0)
			tell_hold(c, u, &c->holds.list[i]);
}

void check_users(struct check_case *c)
{
	static const struct use nodes = {"fd", "/dev/"};
	static const struct use groups = {"vfio", "/dev/"};

	static const struct use channels = {"dma", "/sys/class/dma/"};

	tell_holds(c, &nodes);
	tell_holds(c, &channels);
	tell_holds(c, &groups);
}

void check_storage(struct check_case *c)
{
	static const struct use u = {"block", "/sys/class/block/"};

	tell_holds(c, &u);
}

void check_network(struct check_case *c)
{
	static const struct use here = {"net", "/sys/class/net/"};
	static const struct use away = {"net", NULL};

	for (size_t i = 0; i < c->holds.count; i++) {
		const struct hold *o = &c->holds.list[i];
		if (strcmp(o->check, "net") == 0)
			tell_hold(c, strcmp(o->object, "net") == 0 ? &away : &here, o);
	}
}

void check_input(struct check_case *c)
{
	static const struct use u = {"input", "/sys/class/input/"};

	tell_holds(c, &u);
}

void check_sriov(struct check_case *c)
{
	static const struct use u = {"sriov", "/sys/bus/pci/devices/"};
	struct pci_vfs f = pci_vfs_read(c->host, c->device->address);
	char path[FILE_PATH_MAX], value[32], text[PCI_ADDRESS_TEXT];

	tell_holds(c, &u);
	if (f.is_virtual) {
		check_found(c, CHECK_INFO, c->address,
			"is a virtual function of %s, which must keep its driver",
			pci_address_format(f.physical, text));
		check_seen(c, check_attribute_path(c, "physfn", path, sizeof(path)), text);
	}
	if (!f.total)
		return;
	(void)snprintf(value, sizeof(value), "%u of %u", f.active, f.total);
	if (f.active)
		check_found(c, CHECK_FAIL, c->address,
			"has %u virtual functions: vfio-pci refuses such a device (EBUSY)",
			f.active);
	else if (!c->device->driver[0])
		check_found(c, CHECK_INFO, c->address,
			"supports %u virtual functions, which only its own driver can create",
			f.total);
	else
		check_found(c, CHECK_INFO, c->address, "supports %u virtual functions", f.total);
	check_seen(c, check_attribute_path(c, "sriov_numvfs", path, sizeof(path)), value);
	if (f.active)
		check_fix(c, "bind its virtual functions instead, or remove them: usher vfs %s 0",
			c->address);
}
