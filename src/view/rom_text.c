/* SPDX-License-Identifier: MIT */
#include "base/file.h"
#include "view/names.h"
#include "view/rom.h"
#include "view/size.h"
#include "view/wrap.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LINE 1024
#define HANG 6

static void print_line(unsigned hang, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void print_line(unsigned hang, const char *fmt, ...)
{
	char text[LINE];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	wrap_put(stdout, wrap_width(), hang, text);
}

static const char *bar_text(const struct pci_rom_places *p, char *buf, size_t size)
{
	char bytes[32] = "yes";

	if (!p->has_bar)
		return "none";
	if (p->bar_size)
		size_format(p->bar_size, bytes, sizeof(bytes));
	(void)snprintf(buf, size, "%s%s", bytes,
		p->is_shadow ? ", shadowed by the firmware's copy in memory" : "");
	return buf;
}

static const char *vfct_text(const struct rom_facts *f, char *buf, size_t size)
{
	static const char *const words[] = {
		[PCI_VFCT_NONE] = "has no video BIOS for this device",
		[PCI_VFCT_IDS] = "has its video BIOS (found by ids)",
		[PCI_VFCT_PLACE] = "has its video BIOS",
		[PCI_VFCT_BAD] = "is not a valid table",
	};

	if (f->vfct_error == -ENOENT)
		return "none";
	if (!f->vfct_error)
		return words[f->vfct];
	(void)snprintf(buf, size, "exists, but cannot be read: %s", strerror(-f->vfct_error));
	return buf;
}

static void print_places(const struct rom_facts *f, struct names *names)
{
	char address[PCI_ADDRESS_TEXT], name[2 * NAMES_TEXT], text[160];

	names_both(names, &f->device, name, sizeof(name));
	pci_address_format(f->device.address, address);
	if (names)
		print_line(HANG, "%s: %s [%04x:%04x]", address, name, f->device.vendor,
			f->device.device);
	else
		print_line(HANG, "%s: %s", address, name);
	print_line(HANG, "  ROM BAR:   %s", bar_text(&f->places, text, sizeof(text)));
	print_line(HANG, "  ACPI VFCT: %s", vfct_text(f, text, sizeof(text)));
}

static void print_image(const struct pci_rom_image *x, size_t number)
{
	char code[16], machine[24], more[96] = "";

	if (x->sum != PCI_ROM_SUM_NONE)
		(void)snprintf(more, sizeof(more), ", checksum %s",
			x->sum == PCI_ROM_SUM_GOOD ? "right" : "wrong");
	if (x->has_efi)
		(void)snprintf(more, sizeof(more), ", for %s%s",
			pci_rom_machine_name(x->machine, machine, sizeof(machine)),
			x->is_compressed ? ", compressed" : "");
	print_line(HANG, "  image %zu: %s, %zu bytes at %zu, %04x:%04x%s%s%s", number,
		pci_rom_code_name(x->code, code, sizeof(code)), x->size, x->offset, x->vendor,
		x->device, x->id_count ? " and others" : "", more, x->is_last ? ", the last" : "");
}

static void print_finding(const struct pci_rom_finding *f)
{
	static const char *const words[] = {
		[PCI_ROM_NOTE] = "note", [PCI_ROM_WARNS] = "warning", [PCI_ROM_FAILS] = "error"};

	print_line(HANG, "  %s: %s", words[f->grade], f->text);
	if (f->fix[0])
		print_line(HANG + 6, "      fix:  %s", f->fix);
}

static void print_rom(const struct rom_facts *f)
{
	static const char *const sources[] = {
		[PCI_ROM_BAR] = "its ROM BAR",
		[PCI_ROM_SHADOW] = "the firmware's copy",
		[PCI_ROM_ACPI] = "the ACPI table VFCT",
		[PCI_ROM_FILE] = "file",
	};
	char name[FILE_PATH_MAX] = "";

	if (f->file)
		file_escape(name, sizeof(name), f->file);
	print_line(HANG, "ROM from %s%s%s%s: %zu bytes", sources[f->source], f->file ? " '" : "",
		name, f->file ? "'" : "", f->rom.size);
	for (size_t i = 0; i < f->rom.image_count; i++)
		print_image(&f->rom.images[i], i + 1);
	for (size_t i = 0; i < f->findings.count; i++)
		print_finding(&f->findings.list[i]);
	if (!f->findings.failures)
		print_line(HANG, "  right: signature, structure, length, ids and checksum");
}

void rom_text(const struct rom_facts *f, struct names *names)
{
	char name[FILE_PATH_MAX];

	print_places(f, names);
	if (f->has_rom)
		print_rom(f);
	if (!f->saved)
		return;
	file_escape(name, sizeof(name), f->saved);
	print_line(HANG, "saved: %zu bytes in '%s'", f->saved_size, name);
}
