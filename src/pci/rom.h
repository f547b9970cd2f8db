/* SPDX-License-Identifier: MIT */
#ifndef PCI_ROM_H
#define PCI_ROM_H

#include "base/num.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PCI_ROM_MAX MIB(16) /* [bytes] of a ROM or file; an expansion ROM BAR is no larger */
#define PCI_ROM_IMAGES_MAX 16
#define PCI_ROM_IDS_MAX 32 /* of a device list that usher keeps */

/* Code types. Ref: PCI Firmware 3.3, 5.1.1.2 */
enum pci_rom_code {
	PCI_ROM_X86 = 0, /* for a BIOS */
	PCI_ROM_OPEN_FIRMWARE = 1,
	PCI_ROM_PA_RISC = 2,
	PCI_ROM_UEFI = 3, /* for UEFI firmware such as OVMF; a graphics card's GOP driver */
};

enum pci_rom_sum { PCI_ROM_SUM_NONE, PCI_ROM_SUM_GOOD, PCI_ROM_SUM_BAD };

/* One image of a ROM. It starts with 55 AA and has a data structure "PCIR". */
struct pci_rom_image {
	size_t offset; /* [bytes] in the data */
	size_t size; /* [bytes], as its data structure says; at most what the data have */
	uint8_t code; /* enum pci_rom_code, or a vendor's own */
	uint8_t revision; /* of the data structure: 3 has a device list */
	uint16_t vendor;
	uint16_t device;
	uint32_t class; /* 24 bits */
	bool is_last; /* bit 7 of the indicator */
	bool is_cut; /* the data end before the image does */
	enum pci_rom_sum sum; /* of an x86 image: its bytes have to add up to 0 */
	size_t id_count; /* more devices that it is for */
	uint16_t ids[PCI_ROM_IDS_MAX];
	/* Of a UEFI image. Ref: UEFI 2.10, table 14.4 */
	bool has_efi; /* the signature 0x0ef1 is there */
	bool is_compressed;
	uint16_t machine; /* as in a PE header: 0x8664 is x86-64 */
};

/* Why a list of images ends. */
enum pci_rom_end {
	PCI_ROM_END_LAST, /* after the image that says so */
	PCI_ROM_END_NOTHING, /* there is no image at all */
	PCI_ROM_END_UNSIGNED, /* another image should follow, and does not */
	PCI_ROM_END_UNSTRUCTURED, /* 55 AA, but no "PCIR" where the header says */
	PCI_ROM_END_LENGTH, /* an image of length 0 */
	PCI_ROM_END_CUT, /* the data end inside of an image */
	PCI_ROM_END_MANY, /* more than PCI_ROM_IMAGES_MAX */
};

struct pci_rom {
	size_t size; /* [bytes] of the data */
	size_t start; /* of the first image: behind what a tool has put in front of it */
	size_t end; /* behind the last image */
	size_t used; /* @end, or behind the last byte that is neither 00 nor ff */
	bool is_blank; /* all bytes are 00 or all are ff */
	bool is_nvidia_file; /* it starts with the header of NVIDIA's update files */
	enum pci_rom_end ended;
	size_t image_count;
	struct pci_rom_image images[PCI_ROM_IMAGES_MAX];
};

/*
 * Reads the headers of an expansion ROM of any content. Where the data do not start with an image,
 * the first offset that does is taken: GPU-Z and nvflash put a header in front.
 */
void pci_rom_parse(const uint8_t *data, size_t size, struct pci_rom *ret);

/* The first image of a code type; NULL: none. */
const struct pci_rom_image *pci_rom_find(const struct pci_rom *r, uint8_t code);

/* Whether an image names a device, itself or in its list. */
bool pci_rom_image_fits(const struct pci_rom_image *x, uint16_t vendor, uint16_t device);

/* "x86 BIOS", "UEFI", …; of a vendor's own code type "type 70". Return: @buf. */
const char *pci_rom_code_name(uint8_t code, char *buf, size_t size);

/* "x86-64", "x86", "AArch64", …; @buf for an unknown one. */
const char *pci_rom_machine_name(uint16_t machine, char *buf, size_t size);

#endif
