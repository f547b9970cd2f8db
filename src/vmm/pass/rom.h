/* SPDX-License-Identifier: MIT */
#ifndef VMM_PASS_ROM_H
#define VMM_PASS_ROM_H

#include "vmm/worker.h"

#include <stdbool.h>
#include <stdint.h>

struct err;
struct pass_dev;

/*
 * The expansion ROM: the device's own; or a file, for a device whose own ROM is broken, missing, or
 * used up by the host's firmware; or none.
 *
 * The device's ROM is read in pieces of PASS_ROM_PIECE bytes, each at the guest's first access to
 * it. The guest expects the bytes as soon as it has enabled the ROM, so the vCPU waits until the
 * worker has read them (pass_ask_await). A whole ROM of 16 MiB would take seconds, and a guest that
 * never looks would pay for it at start. One piece is at most 1024 reads of the device; the first
 * access reads at most three.
 */
#define PASS_ROM_MAX (16u << 20) /* [bytes] of a file, and of the device's */
#define PASS_ROM_PIECE 4096u /* [bytes] */
#define PASS_ROM_PIECES (PASS_ROM_MAX / PASS_ROM_PIECE)

enum pass_rom_source { PASS_ROM_DEVICE, PASS_ROM_FILE, PASS_ROM_OFF };

struct pass_rom {
	enum pass_rom_source source;
	struct worker_job job; /* reads pieces for [wanted_off, +wanted_size) */
	uint64_t wanted_off;
	unsigned wanted_size;
	bool failed; /* the device does not let it be read: not asked again */
	bool fixed; /* pass_rom_fix() was applied to the device's own */
	uint64_t size; /* [bytes] */
	uint8_t *bytes; /* NULL before the first read; of a file: all of it */
	uint64_t have[PASS_ROM_PIECES / 64]; /* bit N: piece N of the device's own was read */
};

/* Reads the file, if that is the source; @fd is taken over. Return: 0, -EFBIG, -EINVAL, -errno. */
int pass_rom_init(struct pass_dev *d, enum pass_rom_source source, int fd, struct err *e);
void pass_rom_fini(struct pass_dev *d);

/* The job of struct pass_rom. */
void pass_rom_run(struct worker_job *j);

/* What the guest reads; all-ones past the end. @size: 1, 2, 4 or 8. */
uint64_t pass_rom_read(struct pass_dev *d, uint64_t off, unsigned size);

/*
 * Firmware runs a ROM only if the device ID in it is that of the device, and many cards of one
 * family carry the ROM of another. Corrects the ID, and changes a spare byte so that the sum of all
 * bytes stays what it was. Looks only at the header and at the data structure that it points to.
 * Ref: PCI Firmware 3.2, 5.1.1 and 5.1.2.
 */
void pass_rom_fix(uint8_t *rom, uint64_t size, uint16_t vendor, uint16_t device);

#endif
