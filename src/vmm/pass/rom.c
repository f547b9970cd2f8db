/* SPDX-License-Identifier: MIT */
#include "vmm/pass/rom.h"

#include "base/bits.h"
#include "base/clean.h"
#include "base/endian.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "vmm/pass/access.h"
#include "vmm/pass/device.h"
#include "vmm/walls/mark.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Of the first image. Ref: PCI Firmware 3.2, 5.1.1 */
#define ROM_MAGIC 0xaa55
#define ROM_SPARE 6 /* a byte that no entry point uses: makes the checksum come out */
#define ROM_PCIR 0x18 /* where the data structure is */
#define PCIR_VENDOR 4
#define PCIR_DEVICE 6
#define PCIR_SIZE 0x18

void pass_rom_fix(uint8_t *rom, uint64_t size, uint16_t vendor, uint16_t device)
{
	if (size < ROM_PCIR + 2 || le16_get(rom) != ROM_MAGIC)
		return;
	unsigned at = le16_get(rom + ROM_PCIR);
	if (!range_ok(at, PCIR_SIZE, size) || memcmp(rom + at, "PCIR", 4) != 0 ||
		le16_get(rom + at + PCIR_VENDOR) != vendor ||
		le16_get(rom + at + PCIR_DEVICE) == device)
		return;
	uint8_t *id = rom + at + PCIR_DEVICE;
	unsigned was = id[0] + id[1];
	le16_put(id, device);
	rom[ROM_SPARE] = (uint8_t)(rom[ROM_SPARE] + was - id[0] - id[1]);
}

WALL_CALL(main | worker, newfstatat);
WALL_CALL(main | worker, fstat); /* of glibc 2.39 and later */
WALL_CALL(main | worker, pread64);

static int read_file(struct pass_rom *r, int fd, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_set(e, -errno, "look at its ROM file");
	if (!S_ISREG(st.st_mode) || st.st_size <= 0)
		return err_say(e, -EINVAL, "its ROM file is empty, or not a file");
	if (st.st_size > (off_t)PASS_ROM_MAX)
		return err_say(e, -EFBIG, "its ROM file has %" PRIu64 " bytes: more than %u",
			(uint64_t)st.st_size, PASS_ROM_MAX);
	r->size = (uint64_t)st.st_size;
	r->bytes = malloc(r->size);
	if (!r->bytes)
		return err_set(e, -ENOMEM, "read its ROM file");
	int code = fd_pread_full(fd, r->bytes, r->size, 0);
	return code < 0 ? err_set(e, code, "read its ROM file") : 0;
}

int pass_rom_init(struct pass_dev *d, enum pass_rom_source source, int fd, struct err *e)
{
	cleanup_fd int own = fd;

	d->rom = (struct pass_rom){.job.run = pass_rom_run, .source = source};
	return source == PASS_ROM_FILE ? read_file(&d->rom, own, e) : 0;
}

void pass_rom_fini(struct pass_dev *d)
{
	free(d->rom.bytes);
	d->rom.bytes = NULL;
}

/* The device's own, before the first piece of it is read. By the worker, as all that follows. */
static int device_rom_start(struct pass_dev *d)
{
	struct pass_rom *r = &d->rom;
	uint64_t size = d->regions[FUNC_BAR_ROM].vfio.size;

	if (size > PASS_ROM_MAX)
		return -EFBIG;
	/* Zeroed, so the kernel provides only the pages that are read. */
	uint8_t *bytes = calloc(1, size);
	lock_take(&d->lock);
	r->size = size;
	r->bytes = bytes;
	lock_drop(&d->lock);
	return bytes ? 0 : -ENOMEM;
}

static int piece_read(struct pass_dev *d, uint64_t piece)
{
	struct pass_rom *r = &d->rom;
	uint64_t off = piece * PASS_ROM_PIECE;

	if (r->have[piece / 64] >> piece % 64 & 1)
		return 0;
	int code = vfio_region_read(&d->vfio, &d->regions[FUNC_BAR_ROM].vfio, off, r->bytes + off,
		min_u64(PASS_ROM_PIECE, r->size - off));
	if (code < 0)
		return code;
	lock_take(&d->lock);
	r->have[piece / 64] |= BIT64(piece % 64);
	lock_drop(&d->lock);
	return 0;
}

/* [@off, +@size) of the device's own. It answers only while it decodes memory: the guest reads. */
static int pieces_read(struct pass_dev *d, uint64_t off, uint64_t size)
{
	uint64_t end = off + size;
	int code = 0;

	for (off -= off % PASS_ROM_PIECE; off < end && code >= 0; off += PASS_ROM_PIECE)
		code = piece_read(d, off / PASS_ROM_PIECE);
	return code;
}

/* Reads the header and the data structure of the first image, and corrects the device ID. */
static int header_fix(struct pass_dev *d)
{
	struct pass_rom *r = &d->rom;
	const uint8_t *raw = d->config.raw;

	if (r->size < ROM_PCIR + 2)
		return 0;
	int code = pieces_read(d, 0, ROM_PCIR + 2);
	if (code < 0)
		return code;
	unsigned at = le16_get(r->bytes + ROM_PCIR);
	if (range_ok(at, PCIR_SIZE, r->size)) {
		code = pieces_read(d, at, PCIR_SIZE);
		if (code < 0)
			return code;
	}
	pass_rom_fix(
		r->bytes, r->size, le16_get(raw + PCI_VENDOR_ID), le16_get(raw + PCI_DEVICE_ID));
	return 0;
}

static int device_rom_fix(struct pass_dev *d)
{
	int code = d->rom.fixed ? 0 : header_fix(d);

	if (code < 0)
		return code;
	lock_take(&d->lock);
	d->rom.fixed = true;
	lock_drop(&d->lock);
	return 0;
}

/* Has [@off, +@size) of the device's own in `bytes`. */
static int device_rom_load(struct pass_dev *d, uint64_t off, unsigned size)
{
	struct pass_rom *r = &d->rom;
	int code = r->bytes ? 0 : device_rom_start(d);

	if (code < 0 || !range_ok(off, size, r->size))
		return code;
	code = device_rom_fix(d);
	return code < 0 ? code : pieces_read(d, off, size);
}

void pass_rom_run(struct worker_job *j)
{
	struct pass_dev *d = container_of(j, struct pass_dev, rom.job);
	struct pass_rom *r = &d->rom;

	lock_take(&d->lock);
	uint64_t off = r->wanted_off;
	unsigned size = r->wanted_size;
	bool skip = r->failed || d->dropped;
	lock_drop(&d->lock);
	int code = skip ? 0 : device_rom_load(d, off, size);
	if (code >= 0)
		return;
	lock_take(&d->lock);
	r->failed = true;
	log_guest(&d->misdeeds.access, d->name, "read of its ROM: %s", strerror(-code));
	pass_rom_fini(d);
	lock_drop(&d->lock);
}

/* Whether the worker has read [@off, +@size), or knows that it is not there. */
static bool device_rom_has(const struct pass_rom *r, uint64_t off, unsigned size)
{
	if (r->failed || (r->bytes && !range_ok(off, size, r->size)))
		return true;
	for (uint64_t at = off - off % PASS_ROM_PIECE; at < off + size; at += PASS_ROM_PIECE) {
		uint64_t piece = at / PASS_ROM_PIECE;
		if (piece >= PASS_ROM_PIECES || !(r->have[piece / 64] >> piece % 64 & 1))
			return false;
	}
	return r->fixed;
}

/* Under the lock, which it drops while it waits. */
static bool device_rom_ask(struct pass_dev *d, uint64_t off, unsigned size)
{
	struct pass_rom *r = &d->rom;

	r->wanted_off = off;
	r->wanted_size = size;
	worker_add(&d->worker, &r->job);
	(void)pass_ask_await(d);
	return device_rom_has(r, off, size);
}

uint64_t pass_rom_read(struct pass_dev *d, uint64_t off, unsigned size)
{
	struct pass_rom *r = &d->rom;

	if (r->source == PASS_ROM_DEVICE && !device_rom_has(r, off, size) &&
		(off >= PASS_ROM_MAX || !device_rom_ask(d, off, size)))
		return all_ones(size);
	if (!r->bytes || !range_ok(off, size, r->size))
		return all_ones(size);
	return le_get(r->bytes + off, size);
}
