/* SPDX-License-Identifier: MIT */
#include "pci/romcheck.h"

#include "base/file.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define BASE_DISPLAY 0x03
#define MACHINE_X86_64 0x8664
#define MACHINE_BYTE_CODE 0x0ebc /* any UEFI firmware interprets it */

struct rom_case {
	const struct pci_rom *rom;
	enum pci_rom_source source;
	const char *file;
	const struct pci_device *device;
	struct pci_rom_findings *ret;
	struct pci_rom_finding spare; /* if there is no room for another one */
};

const char *pci_rom_source_name(enum pci_rom_source s)
{
	static const char *const names[] = {
		[PCI_ROM_BAR] = "bar",
		[PCI_ROM_SHADOW] = "shadow",
		[PCI_ROM_ACPI] = "acpi",
		[PCI_ROM_FILE] = "file",
	};

	return names[s];
}

static struct pci_rom_finding *finding_add(struct rom_case *c, enum pci_rom_grade grade,
	const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static struct pci_rom_finding *finding_add(
	struct rom_case *c, enum pci_rom_grade grade, const char *fmt, ...)
{
	bool fits = c->ret->count < PCI_ROM_FINDINGS_MAX;
	struct pci_rom_finding *f = fits ? &c->ret->list[c->ret->count++] : &c->spare;
	va_list ap;

	*f = (struct pci_rom_finding){.grade = grade};
	va_start(ap, fmt);
	(void)vsnprintf(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
	c->ret->failures += grade == PCI_ROM_FAILS;
	return f;
}

static void fix_another(const struct rom_case *c, struct pci_rom_finding *f)
{
	if (c->source == PCI_ROM_FILE)
		(void)snprintf(f->fix, sizeof(f->fix), "use the ROM of this very card");
}

/* What stands where the data should start with an image. */
static void check_start(struct rom_case *c)
{
	const struct pci_rom *r = c->rom;
	char address[PCI_ADDRESS_TEXT], name[160];

	if (!r->size)
		(void)finding_add(c, PCI_ROM_FAILS, "the ROM is empty");
	else if (r->is_blank)
		(void)finding_add(c, PCI_ROM_FAILS,
			"the ROM has no content: all %zu bytes are alike", r->size);
	else if (r->ended == PCI_ROM_END_NOTHING)
		(void)finding_add(
			c, PCI_ROM_FAILS, "this is no expansion ROM: no image starts with 55 aa");
	if (!r->start)
		return;
	struct pci_rom_finding *f = finding_add(c, PCI_ROM_FAILS,
		"%zu bytes in front are not part of the ROM%s", r->start,
		r->is_nvidia_file ? ": the header of NVIDIA's update files (NVGI)" : "");
	file_escape(name, sizeof(name), c->file ? c->file : "FILE");
	(void)snprintf(f->fix, sizeof(f->fix), "usher rom %s cut.rom --from '%s'",
		pci_address_format(c->device->address, address), name);
}

static void check_end(struct rom_case *c)
{
	const struct pci_rom *r = c->rom;
	const struct pci_rom_image *x = r->image_count ? &r->images[r->image_count - 1] : NULL;

	switch (r->ended) {
	case PCI_ROM_END_UNSTRUCTURED:
		(void)finding_add(c, x ? PCI_ROM_WARNS : PCI_ROM_FAILS,
			"image %zu has no structure 'PCIR' where its header says",
			r->image_count + 1);
		break;
	case PCI_ROM_END_LENGTH:
		(void)finding_add(c, PCI_ROM_FAILS, "image %zu has the length 0", r->image_count);
		break;
	case PCI_ROM_END_CUT:
		fix_another(c, finding_add(c, PCI_ROM_FAILS,
				       "the ROM is cut off: image %zu is longer than what is there",
				       r->image_count + (x && x->is_cut ? 0 : 1)));
		break;
	case PCI_ROM_END_UNSIGNED:
		(void)finding_add(c, PCI_ROM_WARNS,
			"image %zu does not say that it is the last, and none follows",
			r->image_count);
		break;
	case PCI_ROM_END_MANY:
		(void)finding_add(
			c, PCI_ROM_WARNS, "the ROM has more than %d images", PCI_ROM_IMAGES_MAX);
		break;
	case PCI_ROM_END_LAST:
	case PCI_ROM_END_NOTHING:
		break;
	}
	if (r->image_count && r->used > r->end)
		(void)finding_add(c, PCI_ROM_NOTE,
			"%zu bytes follow the last image: a vendor's own data, no part of the ROM",
			r->used - r->end);
}

/* The device's own ROM may name another model of its family: usher and QEMU correct the id. */
static void check_ids(struct rom_case *c, size_t i)
{
	const struct pci_rom_image *x = &c->rom->images[i];
	const struct pci_device *d = c->device;
	bool own = c->source != PCI_ROM_FILE;

	if (pci_rom_image_fits(x, d->vendor, d->device))
		return;
	struct pci_rom_finding *f = finding_add(c, own ? PCI_ROM_WARNS : PCI_ROM_FAILS,
		"image %zu is for %04x:%04x, but the device is %04x:%04x", i + 1, x->vendor,
		x->device, d->vendor, d->device);
	fix_another(c, f);
}

static void check_image(struct rom_case *c, size_t i)
{
	const struct pci_rom_image *x = &c->rom->images[i];

	if (x->code == PCI_ROM_X86 || x->code == PCI_ROM_UEFI)
		check_ids(c, i);
	if (x->sum == PCI_ROM_SUM_BAD && c->source == PCI_ROM_SHADOW)
		(void)finding_add(c, PCI_ROM_WARNS,
			"image %zu has changed since the firmware copied it: its checksum is wrong",
			i + 1);
	else if (x->sum == PCI_ROM_SUM_BAD && !x->is_cut)
		fix_another(c,
			finding_add(c, PCI_ROM_FAILS,
				"image %zu has a wrong checksum: a BIOS does not run it", i + 1));
	if (x->code == PCI_ROM_UEFI && !x->has_efi)
		(void)finding_add(c, PCI_ROM_WARNS,
			"image %zu lacks the signature 0ef1 of a UEFI image", i + 1);
}

/* Whether UEFI firmware of a PC runs an image. */
static bool has_pc_uefi(const struct pci_rom *r)
{
	for (size_t i = 0; i < r->image_count; i++) {
		const struct pci_rom_image *x = &r->images[i];
		if (x->code == PCI_ROM_UEFI && x->has_efi &&
			(x->machine == MACHINE_X86_64 || x->machine == MACHINE_BYTE_CODE))
			return true;
	}
	return false;
}

/* Which firmware of a guest finds its part. */
static void check_parts(struct rom_case *c)
{
	const struct pci_rom *r = c->rom;
	bool display = c->device->class >> 16 == BASE_DISPLAY;
	const char *what = display ? "shows a picture" : "boots from it";
	enum pci_rom_grade grade = display ? PCI_ROM_WARNS : PCI_ROM_NOTE;

	if (!r->image_count)
		return;
	if (!pci_rom_find(r, PCI_ROM_UEFI))
		(void)finding_add(c, grade,
			"the ROM has no UEFI part: a guest with OVMF %s only once its driver runs",
			what);
	else if (!has_pc_uefi(r))
		(void)finding_add(c, grade,
			"the ROM has a UEFI part, but none for x86-64: OVMF does not run it");
	if (!pci_rom_find(r, PCI_ROM_X86))
		(void)finding_add(c, PCI_ROM_NOTE,
			"it has no x86 part: a guest with SeaBIOS %s only once its driver runs",
			what);
}

static void check_shadow(struct rom_case *c)
{
	if (c->source != PCI_ROM_SHADOW)
		return;
	struct pci_rom_finding *f = finding_add(c, PCI_ROM_WARNS,
		"this is the copy that the firmware ran at boot: it may have changed itself, "
		"and its UEFI part is missing");
	(void)snprintf(f->fix, sizeof(f->fix),
		"select another primary display in the firmware setup, boot, and read it again");
}

void pci_rom_check(const struct pci_rom *r, enum pci_rom_source source, const char *file,
	const struct pci_device *d, struct pci_rom_findings *ret)
{
	struct rom_case c = {.rom = r, .source = source, .file = file, .device = d, .ret = ret};

	*ret = (struct pci_rom_findings){0};
	check_start(&c);
	check_end(&c);
	for (size_t i = 0; i < r->image_count; i++)
		check_image(&c, i);
	check_parts(&c);
	check_shadow(&c);
}
