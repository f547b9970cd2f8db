/* SPDX-License-Identifier: MIT */
#include "vmm/pass/rom.h"

#include "base/bits.h"
#include "base/clean.h"
#include "base/endian.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "vmm/pass/device.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Of the first image. Ref: PCI Firmware 3.2, 5.1.1 */
#define ROM_MAGIC 0xaa55
#define ROM_BLOCKS 2 /* length, in blocks of 512 bytes */
#define ROM_SPARE 6 /* a byte that no entry point uses: adjusts the checksum */
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
	le16_put(rom + at + PCIR_DEVICE, device);
	uint64_t len = min_u64(rom[ROM_BLOCKS] * UINT64_C(512), size);
	uint8_t sum = 0;
	for (uint64_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + rom[i]);
	rom[ROM_SPARE] = (uint8_t)(rom[ROM_SPARE] - sum);
}

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

	d->rom = (struct pass_rom){.source = source};
	return source == PASS_ROM_FILE ? read_file(&d->rom, own, e) : 0;
}

void pass_rom_fini(struct pass_dev *d)
{
	free(d->rom.bytes);
	d->rom.bytes = NULL;
}

/* Reads the device's own, in one piece. The device decodes memory: the guest is reading it. */
static void load_rom(struct pass_dev *d)
{
	struct pass_rom *r = &d->rom;
	const struct vfio_region *region = &d->regions[FUNC_BAR_ROM].vfio;

	r->failed = true;
	r->size = region->size;
	if (r->size > PASS_ROM_MAX)
		return;
	r->bytes = malloc(r->size);
	int code = r->bytes ? vfio_region_read(&d->vfio, region, 0, r->bytes, r->size) : -ENOMEM;
	r->failed = code < 0;
	if (!r->failed)
		return;
	log_guest(&d->misdeeds.access, d->name, "read of its ROM: %s", strerror(-code));
	pass_rom_fini(d);
}

uint64_t pass_rom_read(struct pass_dev *d, uint64_t off, unsigned size)
{
	struct pass_rom *r = &d->rom;
	const uint8_t *raw = d->config.raw;

	if (!r->bytes && !r->failed && r->source == PASS_ROM_DEVICE) {
		load_rom(d);
		if (r->bytes)
			pass_rom_fix(r->bytes, r->size, le16_get(raw + PCI_VENDOR_ID),
				le16_get(raw + PCI_DEVICE_ID));
	}
	if (!r->bytes || !range_ok(off, size, r->size))
		return all_ones(size);
	return le_get(r->bytes + off, size);
}
