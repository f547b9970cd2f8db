/* SPDX-License-Identifier: MIT */
#ifndef VMM_PASS_ROM_H
#define VMM_PASS_ROM_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct pass_dev;

/*
 * The expansion ROM: the device's own, read at the guest's first access; or a file, if the device's
 * is broken, missing, or was modified by the host's firmware; or none.
 */
#define PASS_ROM_MAX (16u << 20) /* [bytes] of a file */

enum pass_rom_source { PASS_ROM_DEVICE, PASS_ROM_FILE, PASS_ROM_OFF };

struct pass_rom {
	enum pass_rom_source source;
	bool failed; /* the device does not let usher read it: no second attempt */
	uint64_t size; /* [bytes] */
	uint8_t *bytes; /* NULL until read */
};

/*
 * Reads the file @fd, which is taken over, if @source wants one. Return: 0, -EFBIG, -EINVAL,
 * -errno.
 */
int pass_rom_init(struct pass_dev *d, enum pass_rom_source source, int fd, struct err *e);
void pass_rom_fini(struct pass_dev *d);

/* Return: what the guest reads, all-ones past the end. @size: 1, 2, 4 or 8. */
uint64_t pass_rom_read(struct pass_dev *d, uint64_t off, unsigned size);

/*
 * Corrects the device id in the ROM and its checksum. Firmware runs a ROM only if its device id
 * matches, and many cards carry the ROM of another card of the family.
 * Ref: PCI Firmware 3.2, 5.1.1 and 5.1.2.
 */
void pass_rom_fix(uint8_t *rom, uint64_t size, uint16_t vendor, uint16_t device);

#endif
