/* SPDX-License-Identifier: MIT */
/* Where a ROM comes from, and several functions in one slot. */
#include "base/endian.h"
#include "base/err.h"
#include "base/fd.h"
#include "pass/pass_rig.h"
#include "suite.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define AT 0xc1000000

/* An image of one block for device @id, with a correct checksum. */
static void make_image(uint8_t rom[512], uint16_t vendor, uint16_t id)
{
	uint8_t sum = 0;

	memset(rom, 0x5a, 512);
	le16_put(rom, 0xaa55);
	rom[2] = 1;
	le16_put(rom + 0x18, 0x40);
	memcpy(rom + 0x40, "PCIR", 4);
	le16_put(rom + 0x44, vendor);
	le16_put(rom + 0x46, id);
	for (unsigned i = 0; i < 511; i++)
		sum = (uint8_t)(sum + rom[i]);
	rom[511] = (uint8_t)-sum;
}

static unsigned sum_of(const uint8_t *rom)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < 512; i++)
		sum += rom[i];
	return sum & 0xff;
}

static void enable(void)
{
	rig_write(PCI_ROM_ADDRESS, 4, AT | PCI_ROM_ADDRESS_ENABLE);
	rig_write(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
}

START_TEST(puts_the_device_id_right)
{
	uint8_t rom[512], same[512];

	make_image(rom, 0x8086, 0x1111);
	ck_assert_uint_eq(sum_of(rom), 0);
	pass_rom_fix(rom, 512, 0x8086, 0x10d3);
	ck_assert_uint_eq(le16_get(rom + 0x46), 0x10d3);
	ck_assert_uint_eq(sum_of(rom), 0);
	memcpy(same, rom, 512);
	pass_rom_fix(rom, 512, 0x8086, 0x10d3);
	pass_rom_fix(rom, 512, 0x10de, 0x10d3); /* of another vendor: unchanged */
	pass_rom_fix(rom, 0x19, 0x8086, 0x1234); /* cut short */
	pass_rom_fix(rom, 0x50, 0x8086, 0x1234);
	le16_put(rom + 0x18, 0xfff0);
	pass_rom_fix(rom, 512, 0x8086, 0x1234);
	le16_put(rom + 0x18, 0x40);
	ck_assert_mem_eq(rom, same, 512);
}
END_TEST

START_TEST(reads_the_devices_own)
{
	uint8_t *rom;

	rig_start(suite_fixtures, "e1000e");
	ck_assert_uint_gt(rig.model.regions[VFIO_PCI_ROM_REGION_INDEX].size, 512);
	rom = rig.model.regions[VFIO_PCI_ROM_REGION_INDEX].memory;
	make_image(rom, 0x8086, 0x1111);
	ck_assert_ptr_null(rig.dev->rom.bytes);
	enable();
	ck_assert_uint_eq(rig_mmio_read(AT, 2), 0xaa55);
	ck_assert_uint_eq(rig_mmio_read(AT + 0x46, 2), 0x10d3);
	rig_mmio_write(AT, 2, 0); /* read-only */
	ck_assert_uint_eq(rig_mmio_read(AT, 2), 0xaa55);
	rig_stop();
}
END_TEST

/* Reading a whole ROM of megabytes would stop the vCPU for seconds. */
START_TEST(reads_only_what_is_touched)
{
	rig_start(suite_fixtures, "e1000e");
	struct model_region *region = &rig.model.regions[VFIO_PCI_ROM_REGION_INDEX];
	ck_assert_uint_ge(region->size, 4 * PASS_ROM_PIECE);
	make_image(region->memory, 0x8086, 0x1111);
	enable();
	ck_assert_uint_eq(rig_mmio_read(AT, 2), 0xaa55);
	/*
	 * A piece not read before comes from the device. A piece read before comes from the copy.
	 */
	for (unsigned piece = 0; piece < 4; piece++)
		region->memory[piece * PASS_ROM_PIECE] = 0x77;
	ck_assert_uint_eq(rig_mmio_read(AT, 1), 0x55);
	ck_assert_uint_eq(rig_mmio_read(AT + PASS_ROM_PIECE, 1), 0x77);
	region->memory[PASS_ROM_PIECE] = 0x78;
	ck_assert_uint_eq(rig_mmio_read(AT + PASS_ROM_PIECE, 1), 0x77);
	/* A read across two pieces that were not read before. */
	region->memory[3 * PASS_ROM_PIECE - 1] = 0x11;
	ck_assert_uint_eq(rig_mmio_read(AT + 3 * PASS_ROM_PIECE - 1, 2), 0x7711);
	rig_stop();
}
END_TEST

/* The PCI data structure may be in another piece than the header. */
START_TEST(corrects_an_id_in_a_later_piece)
{
	rig_start(suite_fixtures, "e1000e");
	uint8_t *rom = rig.model.regions[VFIO_PCI_ROM_REGION_INDEX].memory;
	make_image(rom, 0x8086, 0x1111);
	memcpy(rom + 2 * PASS_ROM_PIECE - 6, rom + 0x40, 0x18);
	le16_put(rom + 0x18, 2 * PASS_ROM_PIECE - 6);
	enable();
	ck_assert_uint_eq(rig_mmio_read(AT + 2 * PASS_ROM_PIECE, 2), 0x10d3);
	rig_stop();
}
END_TEST

START_TEST(reads_a_file)
{
	struct err e = {0};
	uint8_t rom[512];
	int fd = memfd_create("rom", MFD_CLOEXEC);

	make_image(rom, 0x1b36, 0x0010);
	ck_assert_int_eq(fd_pwrite_full(fd, rom, sizeof(rom), 0), 0);
	rig_prepare(suite_fixtures, "nvme");
	ck_assert_int_eq(pass_rom_init(rig.dev, PASS_ROM_FILE, fd, &e), 0);
	ck_assert_int_eq(rig_learn(&e), 0);
	/* The smallest size that a ROM's register can show is 2 KiB. */
	ck_assert_uint_eq(rig_size(PCI_ROM_ADDRESS) & ~1U, 0xfffff800);
	enable();
	ck_assert_uint_eq(rig_mmio_read(AT + 0x40, 4), 0x52494350);
	ck_assert_uint_eq(rig_mmio_read(AT + 512, 4), UINT32_MAX);
	rig_stop();

	struct pass_dev d = {0};
	fd = memfd_create("empty", MFD_CLOEXEC);
	ck_assert_int_eq(pass_rom_init(&d, PASS_ROM_FILE, fd, &e), -EINVAL);
}
END_TEST

START_TEST(hides_it)
{
	struct err e = {0};

	rig_prepare(suite_fixtures, "e1000e");
	ck_assert_int_eq(pass_rom_init(rig.dev, PASS_ROM_OFF, -1, &e), 0);
	ck_assert_int_eq(rig_learn(&e), 0);
	ck_assert_uint_eq(rig_size(PCI_ROM_ADDRESS), 0);
	rig_stop();
}
END_TEST

SUITE("pass_rom", puts_the_device_id_right, reads_the_devices_own, reads_only_what_is_touched,
	corrects_an_id_in_a_later_piece, reads_a_file, hides_it)
