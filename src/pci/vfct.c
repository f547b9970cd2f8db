/* SPDX-License-Identifier: MIT */
#include "pci/vfct.h"

#include "base/endian.h"
#include "base/num.h"

#include <stdbool.h>
#include <string.h>

/*
 * The table's layout, in bytes: a header of ACPI, the offset of the first image at 0x34; each image
 * has a header and then its content. Ref: drivers/gpu/drm/amd/include/atombios.h, UEFI_ACPI_VFCT
 * and VFCT_IMAGE_HEADER.
 */
#define TABLE_LENGTH 4
#define TABLE_IMAGES 0x34
#define TABLE_SIZE 0x4c
#define IMAGE_BUS 0
#define IMAGE_DEVICE 4
#define IMAGE_FUNCTION 8
#define IMAGE_IDS 12 /* vendor, device */
#define IMAGE_LENGTH 24
#define IMAGE_SIZE 28

static bool has_ids(const uint8_t *image, const struct pci_device *d)
{
	return le16_get(image + IMAGE_IDS) == d->vendor &&
	       le16_get(image + IMAGE_IDS + 2) == d->device;
}

/* The table names no domain: firmware knows only the first one. */
static bool is_at(const uint8_t *image, struct pci_address a)
{
	return a.domain == 0 && le32_get(image + IMAGE_BUS) == a.bus &&
	       le32_get(image + IMAGE_DEVICE) == a.dev && le32_get(image + IMAGE_FUNCTION) == a.fn;
}

static void image_take(const uint8_t *image, size_t size, const struct pci_device *d,
	struct pci_vfct *ret, bool *doubtful)
{
	bool placed = is_at(image, d->address);

	ret->image_count++;
	if (!has_ids(image, d) || !size || ret->match == PCI_VFCT_PLACE)
		return;
	/* Two cards of one model differ by their place only. */
	*doubtful = !placed && ret->match == PCI_VFCT_IDS;
	ret->match = placed ? PCI_VFCT_PLACE : PCI_VFCT_IDS;
	ret->data = image + IMAGE_SIZE;
	ret->size = size;
}

void pci_vfct_find(
	const uint8_t *table, size_t size, const struct pci_device *d, struct pci_vfct *ret)
{
	bool doubtful = false;

	*ret = (struct pci_vfct){.match = PCI_VFCT_BAD};
	if (size < TABLE_SIZE || memcmp(table, "VFCT", 4) != 0)
		return;
	size_t whole = le32_get(table + TABLE_LENGTH);
	if (whole < TABLE_SIZE || whole > size)
		return;
	ret->match = PCI_VFCT_NONE;
	size_t off = le32_get(table + TABLE_IMAGES);
	while (range_ok(off, IMAGE_SIZE, whole)) {
		const uint8_t *image = table + off;
		size_t content = le32_get(image + IMAGE_LENGTH);
		off += IMAGE_SIZE;
		if (!range_ok(off, content, whole))
			break;
		image_take(image, content, d, ret, &doubtful);
		off += content;
	}
	if (doubtful && ret->match == PCI_VFCT_IDS)
		*ret = (struct pci_vfct){.image_count = ret->image_count};
}
