/* SPDX-License-Identifier: MIT */
#ifndef VMM_PASS_ROM_H
#define VMM_PASS_ROM_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct pass_dev;

/*
 * The expansion ROM: the device's own, read from it when the guest first looks; or that of a file,
 * for a device whose own is broken, missing, or used up by the host's firmware; or none.
 */
#define PASS_ROM_MAX (16u << 20) /* [bytes] of a file */

enum pass_rom_source { PASS_ROM_DEVICE, PASS_ROM_FILE, PASS_ROM_OFF };

struct pass_rom {
	enum pass_rom_source source;
	bool failed; /* the device does not let it be read: not asked again */
	uint64_t size; /* [bytes] */
	uint8_t *bytes; /* NULL until read */
};

/* Reads the file, if that is the source; @fd is taken over. Return: 0, -EFBIG, -EINVAL, -errno. */
int pass_rom_init(struct pass_dev *d, enum pass_rom_source source, int fd, struct err *e);
void pass_rom_fini(struct pass_dev *d);

/* What the guest reads; all-ones past the end. @size: 1, 2, 4 or 8. */
uint64_t pass_rom_read(struct pass_dev *d, uint64_t off, unsigned size);

/*
 * Firmware runs a ROM only if the device id in it is that of the device, and many cards of one
 * family carry the ROM of another: puts the id right, and the checksum with it.
 * Ref: PCI Firmware 3.2, 5.1.1 and 5.1.2.
 */
void pass_rom_fix(uint8_t *rom, uint64_t size, uint16_t vendor, uint16_t device);

#endif
