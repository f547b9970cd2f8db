/* SPDX-License-Identifier: MIT */
/*
 * A ROM of any content, and an ACPI table VFCT of any content. The first byte chooses the device.
 *
 * covers: src/pci/rom.c src/pci/romcheck.c src/pci/vfct.c
 */
#include "pci/rom.h"
#include "pci/romcheck.h"
#include "pci/vfct.h"
#include "require.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(const uint8_t *data, size_t size, const struct pci_device *d)
{
	static struct pci_rom rom;
	static struct pci_rom_findings found;
	size_t end;
	char text[32];

	pci_rom_parse(data, size, &rom);
	require(rom.image_count <= PCI_ROM_IMAGES_MAX, "no more images than there is room for");
	require(rom.start <= rom.end && rom.end <= rom.used && rom.used <= size,
		"start, end and use are inside of the data");
	end = rom.start;
	for (size_t i = 0; i < rom.image_count; i++) {
		const struct pci_rom_image *x = &rom.images[i];
		require(x->offset == end && x->size <= size - x->offset,
			"images follow each other");
		require(x->id_count <= PCI_ROM_IDS_MAX, "no more ids than there is room for");
		require(*pci_rom_code_name(x->code, text, sizeof(text)), "each type has a name");
		require(*pci_rom_machine_name(x->machine, text, sizeof(text)), "a machine, too");
		end += x->size;
	}
	require(end == rom.end, "the end is behind the last image");
	for (enum pci_rom_source s = PCI_ROM_BAR; s <= PCI_ROM_FILE; s++) {
		size_t failures = 0;

		pci_rom_check(&rom, s, s == PCI_ROM_FILE ? "\x1b[31m" : NULL, d, &found);
		require(*pci_rom_source_name(s), "each source has a name");
		for (size_t i = 0; i < found.count; i++) {
			failures += found.list[i].grade == PCI_ROM_FAILS;
			require(!strchr(found.list[i].fix, '\x1b'), "commands are escaped");
		}
		require(found.failures == failures, "failures are counted");
		require(rom.image_count || failures, "what has no image is wrong");
	}
}

static void find(const uint8_t *data, size_t size, const struct pci_device *d)
{
	struct pci_vfct v;

	pci_vfct_find(data, size, d, &v);
	if (v.match == PCI_VFCT_IDS || v.match == PCI_VFCT_PLACE)
		require(v.size && v.data >= data && (size_t)(v.data - data) <= size - v.size,
			"an image is inside of the table");
	else
		require(!v.data && !v.size, "no match, no image");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pci_device d = {.vendor = 0x1002, .device = 0x1638, .class = 0x030000};

	if (!size)
		return 0;
	d.class = data[0] & 1 ? 0x020000 : 0x030000;
	d.address.bus = data[0] >> 4;
	walk(data + 1, size - 1, &d);
	find(data + 1, size - 1, &d);
	return 0;
}
