/* SPDX-License-Identifier: MIT */
#include "base/file.h"
#include "check/rule.h"
#include "pci/romplace.h"
#include "pci/vfct.h"

/*
 * The ROM of a display. The guest's firmware runs it for a picture, and drivers such as amdgpu read
 * the board's data from it. No ROM is read here: that would switch on its decoder.
 */

#define VENDOR_AMD 0x1002
#define VENDOR_INTEL 0x8086

/* The kernel hands the table to amdgpu, but no guest sees it. */
static void report_vfct(struct check_case *c, const struct pci_rom_places *p)
{
	check_found(c, CHECK_WARN, c->address,
		p->has_bar ? "its ROM is the shadow copy that ran at boot, which may have modified "
			     "itself; the ACPI table VFCT may have the original"
			   : "has no ROM: its video BIOS is in the ACPI table VFCT, which a guest "
			     "does not see, and amdgpu needs it");
	check_seen(c, PCI_VFCT_PATH, "exists");
	check_fix(c,
		"usher rom %s video.rom%s; then lend it with --device %s,rom=video.rom (QEMU: "
		"romfile=video.rom)",
		c->address, p->has_bar ? "" : " --from acpi", c->address);
}

static void report_absent(struct check_case *c)
{
	char path[FILE_PATH_MAX];

	check_attribute_path(c, "rom", path, sizeof(path));
	if (!c->device->has_parent && c->device->vendor == VENDOR_INTEL) {
		check_found(c, CHECK_INFO, c->address,
			"is part of the processor and has no ROM: its driver in the guest needs "
			"none, but the guest's firmware shows no picture");
		check_seen(c, path, "does not exist");
		return;
	}
	check_found(c, CHECK_WARN, c->address,
		"has no ROM, so a guest's firmware cannot show a picture on it");
	check_seen(c, path, "does not exist");
	check_fix(c,
		"get the video BIOS of this very card as FILE; usher rom %s --from FILE checks "
		"it; then lend it with --device %s,rom=FILE (QEMU: romfile=FILE)",
		c->address, c->address);
}

static void report_shadow(struct check_case *c)
{
	char path[FILE_PATH_MAX];

	check_found(c, CHECK_WARN, c->address,
		"its ROM is the shadow copy that ran at boot, which may have modified itself");
	check_seen(c, check_attribute_path(c, "resource", path, sizeof(path)),
		"IORESOURCE_ROM_SHADOW");
	check_fix(c,
		"select another display in the firmware setup and boot; then: usher rom %s "
		"card.rom; and lend it with --device %s,rom=card.rom (QEMU: romfile=card.rom)",
		c->address, c->address);
}

void check_rom(struct check_case *c)
{
	struct pci_rom_places p;

	if (!check_is_display(c, c->device))
		return;
	pci_rom_places_read(c->host, c->device->address, &p);
	if (p.has_vfct && c->device->vendor == VENDOR_AMD && (p.is_shadow || !p.has_bar)) {
		if (p.is_shadow || c->named)
			report_vfct(c, &p);
	} else if (p.is_shadow) {
		report_shadow(c);
	} else if (!p.has_bar && c->named) {
		report_absent(c);
	}
}
