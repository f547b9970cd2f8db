/* SPDX-License-Identifier: MIT */
/*
 * How it works
 *
 * Invariant: an image is looked at only inside of the data, and each next image starts behind the
 * one before it, so that any content ends the walk.
 *
 * An expansion ROM is a list of images. Each starts with 55 AA and has, at an offset that its
 * header names, a structure "PCIR" with ids, length, code type and the mark of the last image. The
 * kernel walks the same list to learn how much of the BAR it shows in sysfs.
 *
 * Ref: PCI Firmware 3.3, 5.1; drivers/pci/rom.c pci_get_rom_size().
 */
#include "pci/rom.h"

#include "base/endian.h"

#include <stdio.h>
#include <string.h>

#define UNIT 512 /* [bytes]: lengths are in this unit */
#define MAGIC 0xaa55
#define HEADER_UNITS 0x02 /* of an x86 image: what is copied to memory, and has a checksum */
#define HEADER_PCIR 0x18
#define HEADER_SIZE 0x1a
#define EFI_SIGNATURE 0x04
#define EFI_MACHINE 0x0a
#define EFI_COMPRESSION 0x0c
#define EFI_MAGIC 0x0ef1

#define PCIR_VENDOR 0x04
#define PCIR_DEVICE 0x06
#define PCIR_LIST 0x08 /* from revision 3 on; before: the offset of vital product data */
#define PCIR_REVISION 0x0c
#define PCIR_CLASS 0x0d
#define PCIR_LENGTH 0x10
#define PCIR_CODE 0x14
#define PCIR_INDICATOR 0x15
#define PCIR_SIZE 0x18
#define PCIR_LAST 0x80

#define SCAN_STEP 4 /* [bytes]: headers of tools end at a multiple of it */
#define NVIDIA_FILE "NVGI"

/* The data, and what is left of them behind an image's start. */
struct rom_walk {
	const uint8_t *at;
	size_t left;
};

static bool has_magic(const struct rom_walk *w)
{
	return w->left >= 2 && le16_get(w->at) == MAGIC;
}

/* Whether the data end before the image's data structure does. */
static bool is_cut_short(const struct rom_walk *w)
{
	return w->left < HEADER_SIZE ||
	       !range_ok(le16_get(w->at + HEADER_PCIR), PCIR_SIZE, w->left);
}

/* Where the image's data structure is; NULL: nowhere. */
static const uint8_t *pcir_find(const struct rom_walk *w)
{
	if (is_cut_short(w))
		return NULL;
	size_t off = le16_get(w->at + HEADER_PCIR);
	return off >= HEADER_SIZE && memcmp(w->at + off, "PCIR", 4) == 0 ? w->at + off : NULL;
}

static enum pci_rom_sum sum_judge(const struct rom_walk *w, const struct pci_rom_image *x)
{
	size_t size = (size_t)w->at[HEADER_UNITS] * UNIT;
	uint8_t sum = 0;

	if (x->code != PCI_ROM_X86)
		return PCI_ROM_SUM_NONE;
	if (!size || size > w->left)
		return PCI_ROM_SUM_BAD;
	for (size_t i = 0; i < size; i++)
		sum = (uint8_t)(sum + w->at[i]);
	return sum ? PCI_ROM_SUM_BAD : PCI_ROM_SUM_GOOD;
}

/* Ids end with 0. The list's offset counts from the structure. */
static void ids_read(const struct rom_walk *w, const uint8_t *pcir, struct pci_rom_image *x)
{
	size_t off = le16_get(pcir + PCIR_LIST), base = (size_t)(pcir - w->at);

	if (x->revision < 3 || !off)
		return;
	for (off += base; x->id_count < PCI_ROM_IDS_MAX && range_ok(off, 2, w->left); off += 2) {
		uint16_t id = le16_get(w->at + off);
		if (!id)
			return;
		x->ids[x->id_count++] = id;
	}
}

static void efi_read(const struct rom_walk *w, struct pci_rom_image *x)
{
	if (x->code != PCI_ROM_UEFI)
		return;
	x->has_efi = le32_get(w->at + EFI_SIGNATURE) == EFI_MAGIC;
	x->machine = le16_get(w->at + EFI_MACHINE);
	x->is_compressed = le16_get(w->at + EFI_COMPRESSION) == 1;
}

static void image_read(const struct rom_walk *w, const uint8_t *pcir, struct pci_rom_image *x)
{
	size_t size = (size_t)le16_get(pcir + PCIR_LENGTH) * UNIT;

	x->size = size < w->left ? size : w->left;
	x->is_cut = size > w->left;
	x->code = pcir[PCIR_CODE];
	x->revision = pcir[PCIR_REVISION];
	x->vendor = le16_get(pcir + PCIR_VENDOR);
	x->device = le16_get(pcir + PCIR_DEVICE);
	x->class = le32_get(pcir + PCIR_CLASS) & 0xffffff;
	x->is_last = pcir[PCIR_INDICATOR] & PCIR_LAST;
	x->sum = sum_judge(w, x);
	ids_read(w, pcir, x);
	efi_read(w, x);
}

/* One image, which @r->end moves behind. Return: whether another one has to follow. */
static bool walk_image(struct rom_walk *w, struct pci_rom *r)
{
	if (!has_magic(w)) {
		r->ended = r->image_count ? PCI_ROM_END_UNSIGNED : PCI_ROM_END_NOTHING;
		return false;
	}
	const uint8_t *pcir = pcir_find(w);
	if (!pcir) {
		r->ended = is_cut_short(w) ? PCI_ROM_END_CUT : PCI_ROM_END_UNSTRUCTURED;
		return false;
	}
	if (r->image_count == PCI_ROM_IMAGES_MAX) {
		r->ended = PCI_ROM_END_MANY;
		return false;
	}
	struct pci_rom_image *x = &r->images[r->image_count++];
	*x = (struct pci_rom_image){.offset = r->end};
	image_read(w, pcir, x);
	r->ended = x->is_cut    ? PCI_ROM_END_CUT
		   : !x->size   ? PCI_ROM_END_LENGTH
		   : x->is_last ? PCI_ROM_END_LAST
				: PCI_ROM_END_NOTHING;
	w->at += x->size;
	w->left -= x->size;
	r->end += x->size;
	return r->ended == PCI_ROM_END_NOTHING;
}

/* The first image of the data. Return: its offset; 0 if there is none. */
static size_t start_find(const uint8_t *data, size_t size)
{
	struct rom_walk w = {data, size};

	if (has_magic(&w))
		return 0;
	for (size_t off = SCAN_STEP; off < size; off += SCAN_STEP) {
		w = (struct rom_walk){data + off, size - off};
		if (has_magic(&w) && pcir_find(&w))
			return off;
	}
	return 0;
}

static bool is_filler(uint8_t byte)
{
	return byte == 0 || byte == 0xff;
}

static bool is_blank(const uint8_t *data, size_t size)
{
	if (size && !is_filler(data[0]))
		return false;
	for (size_t i = 1; i < size; i++)
		if (data[i] != data[0])
			return false;
	return true;
}

void pci_rom_parse(const uint8_t *data, size_t size, struct pci_rom *ret)
{
	*ret = (struct pci_rom){.size = size, .start = start_find(data, size)};
	struct rom_walk w = {data + ret->start, size - ret->start};

	ret->end = ret->start;
	ret->is_blank = is_blank(data, size);
	ret->is_nvidia_file = size >= 4 && memcmp(data, NVIDIA_FILE, 4) == 0;
	while (walk_image(&w, ret))
		continue;
	ret->used = size;
	while (ret->used > ret->end && is_filler(data[ret->used - 1]))
		ret->used--;
}

const struct pci_rom_image *pci_rom_find(const struct pci_rom *r, uint8_t code)
{
	for (size_t i = 0; i < r->image_count; i++)
		if (r->images[i].code == code)
			return &r->images[i];
	return NULL;
}

bool pci_rom_image_fits(const struct pci_rom_image *x, uint16_t vendor, uint16_t device)
{
	if (x->vendor != vendor)
		return false;
	for (size_t i = 0; i < x->id_count; i++)
		if (x->ids[i] == device)
			return true;
	return x->device == device;
}

const char *pci_rom_code_name(uint8_t code, char *buf, size_t size)
{
	static const char *const names[] = {
		[PCI_ROM_X86] = "x86 BIOS",
		[PCI_ROM_OPEN_FIRMWARE] = "Open Firmware",
		[PCI_ROM_PA_RISC] = "PA-RISC",
		[PCI_ROM_UEFI] = "UEFI",
	};

	if (code < COUNT(names))
		return names[code];
	(void)snprintf(buf, size, "type %02x", code);
	return buf;
}

const char *pci_rom_machine_name(uint16_t machine, char *buf, size_t size)
{
	static const struct {
		uint16_t machine;
		const char *name;
	} names[] = {
		{0x014c, "x86 (32 bits)"},
		{0x8664, "x86-64"},
		{0xaa64, "AArch64"},
		{0x01c2, "ARM"},
		{0x0200, "Itanium"},
		{0x0ebc, "EFI byte code"},
		{0x5064, "RISC-V (64 bits)"},
		{0x6264, "LoongArch (64 bits)"},
	};

	for (size_t i = 0; i < COUNT(names); i++)
		if (names[i].machine == machine)
			return names[i].name;
	(void)snprintf(buf, size, "machine %04x", machine);
	return buf;
}
