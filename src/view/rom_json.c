/* SPDX-License-Identifier: MIT */
#include "view/json.h"
#include "view/names.h"
#include "view/rom.h"

#include <errno.h>
#include <stdio.h>

static void put_id(struct json *map, const char *key, uint16_t vendor, uint16_t device)
{
	char text[12];

	(void)snprintf(text, sizeof(text), "%04x:%04x", vendor, device);
	json_put_text(map, key, text);
}

static void put_places(struct json *doc, const struct rom_facts *f)
{
	static const char *const words[] = {
		[PCI_VFCT_NONE] = "none",
		[PCI_VFCT_IDS] = "by_ids",
		[PCI_VFCT_PLACE] = "by_place",
		[PCI_VFCT_BAD] = "invalid",
	};

	if (f->places.has_bar) {
		struct json *bar = json_put_map(doc, "rom_bar");
		json_put_number(bar, "size", f->places.bar_size);
		json_put_flag(bar, "shadowed", f->places.is_shadow);
	} else {
		json_put_null(doc, "rom_bar");
	}
	json_put_text(doc, "vfct",
		!f->vfct_error             ? words[f->vfct]
		: f->vfct_error == -ENOENT ? NULL
					   : "unreadable");
}

static void put_image(struct json *list, const struct pci_rom_image *x)
{
	struct json *one = json_push_map(list);
	char text[24];

	json_put_number(one, "offset", x->offset);
	json_put_number(one, "size", x->size);
	json_put_number(one, "code", x->code);
	json_put_text(one, "type", pci_rom_code_name(x->code, text, sizeof(text)));
	put_id(one, "id", x->vendor, x->device);
	struct json *ids = json_put_list(one, "more_ids");
	for (size_t i = 0; i < x->id_count; i++) {
		(void)snprintf(text, sizeof(text), "%04x:%04x", x->vendor, x->ids[i]);
		json_push_text(ids, text);
	}
	json_put_flag(one, "last", x->is_last);
	if (x->sum == PCI_ROM_SUM_NONE)
		json_put_null(one, "checksum_right");
	else
		json_put_flag(one, "checksum_right", x->sum == PCI_ROM_SUM_GOOD);
	json_put_text(one, "machine",
		x->has_efi ? pci_rom_machine_name(x->machine, text, sizeof(text)) : NULL);
	json_put_flag(one, "compressed", x->is_compressed);
}

static void put_findings(struct json *rom, const struct pci_rom_findings *s)
{
	static const char *const words[] = {
		[PCI_ROM_NOTE] = "info", [PCI_ROM_WARNS] = "warn", [PCI_ROM_FAILS] = "fail"};
	struct json *list = json_put_list(rom, "findings");

	for (size_t i = 0; i < s->count; i++) {
		struct json *one = json_push_map(list);
		json_put_text(one, "severity", words[s->list[i].grade]);
		json_put_text(one, "text", s->list[i].text);
		json_put_text(one, "fix", s->list[i].fix[0] ? s->list[i].fix : NULL);
	}
}

static void put_rom(struct json *doc, const struct rom_facts *f)
{
	if (!f->has_rom) {
		json_put_null(doc, "rom");
		return;
	}
	struct json *rom = json_put_map(doc, "rom");
	json_put_text(rom, "source", pci_rom_source_name(f->source));
	json_put_text(rom, "file", f->file);
	json_put_flag(rom, "was_asleep", f->was_asleep);
	json_put_number(rom, "size", f->rom.size);
	json_put_number(rom, "start", f->rom.start);
	json_put_number(rom, "end", f->rom.end);
	json_put_flag(rom, "right", !f->findings.failures);
	json_put_flag(rom, "has_uefi", pci_rom_find(&f->rom, PCI_ROM_UEFI) != NULL);
	json_put_flag(rom, "has_x86", pci_rom_find(&f->rom, PCI_ROM_X86) != NULL);
	struct json *images = json_put_list(rom, "images");
	for (size_t i = 0; i < f->rom.image_count; i++)
		put_image(images, &f->rom.images[i]);
	put_findings(rom, &f->findings);
}

int rom_json(const struct rom_facts *f, struct names *names, struct err *e)
{
	struct json *doc = NULL;
	char text[2 * NAMES_TEXT];

	int r = json_new("rom", &doc, e);
	if (r < 0)
		return r;
	json_put_text(doc, "address", pci_address_format(f->device.address, text));
	put_id(doc, "id", f->device.vendor, f->device.device);
	names_both(names, &f->device, text, sizeof(text));
	json_put_text(doc, "name", text);
	put_places(doc, f);
	put_rom(doc, f);
	json_put_text(doc, "saved", f->saved);
	if (f->saved)
		json_put_number(doc, "saved_size", f->saved_size);
	else
		json_put_null(doc, "saved_size");
	r = json_print(doc, e);
	json_free(doc);
	return r;
}
