/* SPDX-License-Identifier: MIT */
#include "base/clean.h"
#include "base/file.h"
#include "base/num.h"
#include "bind/gate.h"
#include "check/rule.h"
#include "pci/class.h"
#include "pci/isolation.h"
#include "pci/vfs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Rules about a device's IOMMU group and its neighbours. */

/* The hold that no --allow skips, else the first; NULL if nothing is sure. */
static const struct hold *worst_hold(const struct holds *holds)
{
	const struct hold *worst = NULL;

	for (size_t i = 0; i < holds->count; i++) {
		const struct hold *o = &holds->list[i];

		if (!o->unsure && (!worst || (o->absolute && !worst->absolute)))
			worst = o;
	}
	return worst;
}

/* Reports whether another member prevents binding the group, or is bound along with it. */
static void check_member(struct check_case *c, const struct pci_device *d)
{
	struct holds holds = {0};
	char address[PCI_ADDRESS_TEXT], path[FILE_PATH_MAX], text[64];

	pci_address_format(d->address, address);
	(void)file_path(
		path, sizeof(path), "/sys/kernel/iommu_groups/%d/devices/%s", d->group, address);
	if (d->is_bridge)
		return;
	if (bind_is_platform(d) && !bind_is_dummy(d)) {
		check_found(c, CHECK_FAIL, c->address,
			"shares its group with %s, %s of the host, which is never lent", address,
			check_class_text(d, text, sizeof(text)));
		check_seen(c, path, d->driver[0] ? d->driver : "no driver");
		check_fix(c, "move it to another slot; for the reason: usher check %s", c->address);
		return;
	}
	if (hold_find_in(c->view, d, &holds, NULL) < 0)
		return;
	const struct hold *o = worst_hold(&holds);
	bool idle = !d->driver[0] || strcmp(d->driver, "pci-stub") == 0 || bind_on_vfio(c->host, d);
	if (o) {
		check_found(c, CHECK_FAIL, c->address,
			"shares its group with %s, which is in use: %s: %s", address, o->object,
			o->text);
		check_fix(c, "free that device, or move one of the two to another slot");
	} else {
		check_found(c, CHECK_INFO, c->address, "shares its group with %s (%s)%s", address,
			pci_class_name(d->class), idle ? "" : ", which is bound along with it");
	}
	check_seen(c, path, d->driver[0] ? d->driver : "no driver");
	holds_fini(&holds);
}

/* A VMD puts disks into a PCI domain of its own; for the IOMMU they are all the VMD. */
static void check_vmd(struct check_case *c)
{
	const struct pci_device *d = c->device;
	const struct pci_device *above = d->has_parent ? check_find(c, d->parent) : NULL;
	char address[PCI_ADDRESS_TEXT], path[FILE_PATH_MAX];

	/* The links of a snapshot may lead in a circle. */
	for (size_t i = 0;
		i < c->device_count && above && above->address.domain == d->address.domain; i++)
		above = above->has_parent ? check_find(c, above->parent) : NULL;
	if (!above || above->address.domain == d->address.domain || d->is_bridge)
		return;
	pci_address_format(above->address, address);
	check_found(c, CHECK_WARN, c->address,
		"is behind the volume management device %s, "
		"and the IOMMU cannot distinguish the two",
		address);
	(void)pci_device_path(above->address, "class", path, sizeof(path));
	check_seen(c, path, pci_class_name(above->class));
	check_fix(c, "bind %s with all devices behind it, or disable VMD in the firmware setup",
		address);
}

void check_members(struct check_case *c)
{
	const struct pci_device *d = c->device;
	char path[FILE_PATH_MAX];

	if (d->group == PCI_GROUP_NONE) {
		if (c->iommu != PCI_IOMMU_ON)
			return; /* H01 and H02 say why */
		check_found(c, CHECK_FAIL, c->address, "is not behind the IOMMU of this host");
		check_seen(c, check_attribute_path(c, "iommu_group", path, sizeof(path)),
			"does not exist");
		const struct kernlog_event *x = kernlog_any(&c->log, KERNLOG_GRAPHICS);
		if (x && check_is_display(c, d)) {
			check_logged_seen(c, x);
			check_logged_fix(c, x);
			return;
		}
		if (check_is_board(c))
			check_fix(c, "use another machine: the IOMMU of this board serves other "
				     "devices than those of PCI");
		else
			check_fix(c, "look for a kernel option that excludes it "
				     "(intel_iommu=igfx_off), or choose another device");
		return;
	}
	check_vmd(c);
	for (size_t i = 0; i < c->device_count; i++)
		if (c->devices[i].group == d->group &&
			!pci_address_equal(c->devices[i].address, d->address))
			check_member(c, &c->devices[i]);
}

static void tell_reason(struct check_case *c, const struct pci_reason *r)
{
	char address[PCI_ADDRESS_TEXT], path[FILE_PATH_MAX], bits[32], value[96];

	pci_address_format(r->address, address);
	switch (r->acs.verdict) {
	case PCI_ACS_ISOLATES:
		return;
	case PCI_ACS_LACKS:
		(void)snprintf(value, sizeof(value), "ACS without %s",
			pci_acs_bits(r->acs.missing, bits, sizeof(bits)));
		break;
	case PCI_ACS_ABSENT:
		(void)snprintf(value, sizeof(value), "no ACS capability");
		break;
	case PCI_ACS_BRIDGE:
		(void)snprintf(value, sizeof(value), "a bridge to conventional PCI");
		break;
	case PCI_ACS_UNKNOWN:
		(void)pci_device_path(r->address, "config", path, sizeof(path));
		if (r->error != -EIO) /* P21 reports a device that does not answer */
			check_blind(c, path, r->error);
		return;
	}
	check_found(c, CHECK_INFO, c->address, "its group is large because of %s: %s", address,
		r->kind == PCI_REASON_SLOT
			? "functions of this slot can reach each other"
			: "devices behind this port can reach each other without the IOMMU");
	(void)pci_device_path(r->address, "config", path, sizeof(path));
	check_seen(c, path, value);
	check_fix(c, "try a slot below another root port: usher list --tree");
}

void check_acs(struct check_case *c)
{
	cleanup_free const struct pci_device **members =
		calloc(c->device_count + 1, sizeof(*members));
	struct pci_reason reasons[PCI_REASONS_MAX];
	size_t count = 0;

	if (!members) {
		c->failed = -ENOMEM;
		return;
	}
	for (size_t i = 0; i < c->device_count && c->device->group != PCI_GROUP_NONE; i++)
		if (c->devices[i].group == c->device->group)
			members[count++] = &c->devices[i];
	/* The analyzer does not know cleanup_free. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
	size_t n = count > 1 ? pci_isolation_read(c->host, members, count, reasons) : 0;
	for (size_t i = 0; i < n; i++)
		tell_reason(c, &reasons[i]);
}

void check_reserved(struct check_case *c)
{
	char path[FILE_PATH_MAX], text[4096], *save = NULL;

	if (c->device->group == PCI_GROUP_NONE || c->device->is_bridge ||
		file_path(path, sizeof(path), "/sys/kernel/iommu_groups/%d/reserved_regions",
			c->device->group) < 0 ||
		host_read_text(c->host, path, text, sizeof(text)) < 0)
		return;
	const struct kernlog_event *refusal =
		kernlog_find(&c->log, c->device->address, KERNLOG_RESERVED);
	/* "START END TYPE"; VFIO accepts regions of type `direct-relaxable`. */
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		const char *type = strrchr(line, ' ');

		if (!type || strcmp(type, " direct") != 0)
			continue;
		check_found(c, CHECK_FAIL, c->address,
			"the firmware reserves a DMA region for it (RMRR), "
			"so VFIO refuses its group");
		check_seen(c, path, line);
		check_fix(c, "%s", kernlog_advice(KERNLOG_RESERVED)->fix);
		if (refusal)
			check_logged_seen(c, refusal);
		return;
	}
}

void check_companions(struct check_case *c)
{
	const struct pci_device *d = c->device;
	char address[PCI_ADDRESS_TEXT], path[FILE_PATH_MAX];

	/* A graphics card may have audio, USB and UCSI functions. */
	if (d->address.fn != 0 || !check_is_card(c, d))
		return;
	/* The list is sorted: the other functions of the slot follow. */
	const struct pci_device *o = check_find(c, d->address);
	while (o && ++o < c->devices + c->device_count && o->address.dev == d->address.dev &&
		o->address.bus == d->address.bus && o->address.domain == d->address.domain) {
		if (o->group == d->group || pci_vfs_read(c->host, o->address).is_virtual)
			continue;
		pci_address_format(o->address, address);
		check_found(c, CHECK_WARN, c->address,
			"%s (%s) is part of the same card, but in another group", address,
			pci_class_name(o->class));
		(void)pci_device_path(o->address, "iommu_group", path, sizeof(path));
		(void)snprintf(c->last->value, sizeof(c->last->value), "%d", o->group);
		check_seen(c, path, c->last->value);
		check_fix(c, "bind it as well: a reset of the whole card affects it");
	}
}

/* VFIO opens no group with a member on another driver; QEMU then says "group is not viable". */
void check_viable(struct check_case *c)
{
	const struct pci_device *d = c->device;
	char address[PCI_ADDRESS_TEXT], path[FILE_PATH_MAX];

	if (d->group == PCI_GROUP_NONE || !bind_on_vfio(c->host, d))
		return;
	for (size_t i = 0; i < c->device_count; i++) {
		const struct pci_device *o = &c->devices[i];

		if (o->group != d->group || o->is_bridge || !o->driver[0] ||
			bind_on_vfio(c->host, o) || strcmp(o->driver, "pci-stub") == 0)
			continue;
		pci_address_format(o->address, address);
		check_found(c, CHECK_FAIL, c->address,
			"is bound to %s, but VFIO refuses its group: %s in it is bound to %s",
			d->driver, address, o->driver);
		(void)pci_device_path(o->address, "driver", path, sizeof(path));
		check_seen(c, path, o->driver);
		if (check_verdict_of(c, d->address) == CHECK_CANNOT)
			check_fix(c,
				"its group cannot be lent: move the card to another slot, or give "
				"it back to its driver: usher release %s",
				c->address);
		else
			check_fix(c, "to take the whole group: usher bind %s", c->address);
		return;
	}
}
