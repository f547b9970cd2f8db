/* SPDX-License-Identifier: MIT */
/* Expansion ROMs for tests, put together from images. */
#ifndef TEST_UNIT_PCI_ROM_IMAGE_H
#define TEST_UNIT_PCI_ROM_IMAGE_H

#include "base/endian.h"
#include "pci/rom.h"

#include <stdint.h>
#include <string.h>

#define ROM_IMAGE_PCIR 0x40 /* where each image has its structure */
#define ROM_IMAGE_SUM 6 /* the byte that makes the checksum come out */
#define ROM_IMAGE_LAST 0x80

/* The bytes of an x86 image add up to 0 from here on. */
static inline void rom_image_sum(uint8_t *at)
{
	uint8_t sum = 0;

	at[ROM_IMAGE_SUM] = 0;
	for (size_t i = 0; i < (size_t)at[2] * 512; i++)
		sum = (uint8_t)(sum + at[i]);
	at[ROM_IMAGE_SUM] = (uint8_t)-sum;
}

/* Writes an image of @units times 512 bytes at @at. Return: behind it. */
static inline uint8_t *rom_image_put(
	uint8_t *at, uint8_t code, uint16_t units, uint32_t id, uint8_t indicator)
{
	uint8_t *pcir = at + ROM_IMAGE_PCIR;

	memset(at, 0x5a, (size_t)units * 512);
	le16_put(at, 0xaa55);
	at[2] = (uint8_t)units;
	le16_put(at + 0x18, ROM_IMAGE_PCIR);
	memset(pcir, 0, 0x1c);
	memcpy(pcir, "PCIR", 4);
	le16_put(pcir + 4, (uint16_t)(id >> 16));
	le16_put(pcir + 6, (uint16_t)id);
	pcir[0xc] = 3;
	pcir[0xf] = 3; /* a display */
	le16_put(pcir + 0x10, units);
	pcir[0x14] = code;
	pcir[0x15] = indicator;
	if (code == PCI_ROM_UEFI) {
		le32_put(at + 4, 0x0ef1);
		le16_put(at + 8, 0xb);
		le16_put(at + 0xa, 0x8664);
		le16_put(at + 0xc, 1);
	} else {
		rom_image_sum(at);
	}
	return at + (size_t)units * 512;
}

/* A good ROM of a graphics card: a part for a BIOS, one for UEFI. Return: its size. */
static inline size_t rom_image_card(uint8_t *at, uint32_t id)
{
	uint8_t *end = rom_image_put(at, PCI_ROM_X86, 4, id, 0);

	return (size_t)(rom_image_put(end, PCI_ROM_UEFI, 3, id, ROM_IMAGE_LAST) - at);
}

#endif
