/* SPDX-License-Identifier: MIT */
/* Expansion ROMs, right and wrong in each way. */
#include "pci/rom.h"

#include "pci/rom_image.h"
#include "pci/romcheck.h"
#include "pci/romplace.h"
#include "pci/vfct.h"
#include "replay.h"

#include <stdlib.h>

#define CARD 0x10de2484
#define OTHER 0x10de1b80

static uint8_t data[64 * 1024];
static struct pci_rom rom;
static struct pci_rom_findings found;
static const struct pci_device card = {
	.address = {0, 1, 0, 0}, .vendor = 0x10de, .device = 0x2484, .class = 0x030000};

static void check_rom(size_t size, enum pci_rom_source source)
{
	/* A copy without a byte behind it, where the sanitizer watches. */
	uint8_t *copy = malloc(size ? size : 1);

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, data, size);
	pci_rom_parse(copy, size, &rom);
	pci_rom_check(&rom, source, "dump.rom", &card, &found);
	free(copy);
}

/* How many findings say so; each of that grade. */
static size_t count_found(enum pci_rom_grade grade, const char *text)
{
	size_t n = 0;

	for (size_t i = 0; i < found.count; i++) {
		if (!strstr(found.list[i].text, text))
			continue;
		ck_assert_int_eq(found.list[i].grade, grade);
		n++;
	}
	return n;
}

static void expect_failure(const char *text)
{
	ck_assert_msg(found.failures == 1 && count_found(PCI_ROM_FAILS, text) == 1,
		"%zu failures, not one of '%s'; the first finding: %s", found.failures, text,
		found.count ? found.list[0].text : "none");
}

static void expect_right(void)
{
	ck_assert_msg(!found.failures, "%s", found.list[0].text);
}

START_TEST(reads_a_good_rom)
{
	size_t size = rom_image_card(data, CARD);

	check_rom(size, PCI_ROM_FILE);
	ck_assert_uint_eq(found.count, 0);
	ck_assert_uint_eq(rom.image_count, 2);
	ck_assert_int_eq(rom.ended, PCI_ROM_END_LAST);
	ck_assert_uint_eq(rom.end, size);
	ck_assert_uint_eq(rom.images[0].size, 2048);
	ck_assert_int_eq(rom.images[0].sum, PCI_ROM_SUM_GOOD);
	ck_assert_uint_eq(rom.images[0].class, 0x030000);
	ck_assert_uint_eq(rom.images[1].offset, 2048);
	ck_assert_int_eq(rom.images[1].sum, PCI_ROM_SUM_NONE);
	ck_assert(rom.images[1].has_efi && rom.images[1].is_compressed && rom.images[1].is_last);
	ck_assert_ptr_eq(pci_rom_find(&rom, PCI_ROM_UEFI), &rom.images[1]);
	ck_assert_ptr_null(pci_rom_find(&rom, PCI_ROM_PA_RISC));
}
END_TEST

START_TEST(refuses_another_device)
{
	size_t size = rom_image_card(data, OTHER);

	check_rom(size, PCI_ROM_FILE);
	ck_assert_uint_eq(found.failures, 2);
	ck_assert_uint_eq(count_found(PCI_ROM_FAILS, "10de:1b80, but the device is 10de:2484"), 2);
	/* Its own may name another model of its family. */
	check_rom(size, PCI_ROM_BAR);
	expect_right();
	ck_assert_uint_eq(count_found(PCI_ROM_WARNS, "10de:1b80, but"), 2);
}
END_TEST

START_TEST(reads_the_device_list)
{
	size_t size = rom_image_card(data, OTHER);

	for (unsigned i = 0; i < 2; i++) {
		uint8_t *pcir = data + (i ? 2048 : 0) + ROM_IMAGE_PCIR;
		le16_put(pcir + 8, 0x1c);
		le16_put(pcir + 0x1c, 0x2482);
		le16_put(pcir + 0x1e, 0x2484);
		le16_put(pcir + 0x20, 0);
	}
	rom_image_sum(data);
	check_rom(size, PCI_ROM_FILE);
	expect_right();
	ck_assert_uint_eq(rom.images[0].id_count, 2);
	/* Before revision 3 there is something else at that place. */
	data[ROM_IMAGE_PCIR + 0xc] = data[2048 + ROM_IMAGE_PCIR + 0xc] = 0;
	rom_image_sum(data);
	check_rom(size, PCI_ROM_FILE);
	ck_assert_uint_eq(found.failures, 2);
}
END_TEST

/* A list that has no end ends with the data, or with the room for it. */
START_TEST(ends_a_device_list)
{
	size_t size = rom_image_card(data, CARD);

	le16_put(data + ROM_IMAGE_PCIR + 8, 0x1c);
	rom_image_sum(data);
	check_rom(size, PCI_ROM_FILE);
	ck_assert_uint_eq(rom.images[0].id_count, PCI_ROM_IDS_MAX);
	le16_put(data + ROM_IMAGE_PCIR + 8, 0xfffe);
	check_rom(size, PCI_ROM_FILE);
	ck_assert_uint_eq(rom.images[0].id_count, 0);
}
END_TEST

START_TEST(adds_up_x86_images)
{
	size_t size = rom_image_card(data, CARD);

	data[100]++;
	check_rom(size, PCI_ROM_FILE);
	expect_failure("image 1 has a wrong checksum");
	check_rom(size, PCI_ROM_ACPI);
	expect_failure("image 1 has a wrong checksum");
	/* The copy has run, and may have changed itself. */
	check_rom(size, PCI_ROM_SHADOW);
	expect_right();
	ck_assert_uint_eq(count_found(PCI_ROM_WARNS, "has changed since"), 1);
	data[100]--;
	data[2] = 0;
	check_rom(size, PCI_ROM_FILE);
	expect_failure("image 1 has a wrong checksum");
	data[2] = 0xff; /* more than there is */
	check_rom(size, PCI_ROM_FILE);
	expect_failure("image 1 has a wrong checksum");
}
END_TEST

START_TEST(names_the_missing_part)
{
	size_t size = (size_t)(rom_image_put(data, PCI_ROM_X86, 4, CARD, ROM_IMAGE_LAST) - data);

	check_rom(size, PCI_ROM_FILE);
	expect_right();
	ck_assert_uint_eq(count_found(PCI_ROM_WARNS, "no UEFI part"), 1);
	size = (size_t)(rom_image_put(data, PCI_ROM_UEFI, 4, CARD, ROM_IMAGE_LAST) - data);
	check_rom(size, PCI_ROM_FILE);
	expect_right();
	ck_assert_uint_eq(count_found(PCI_ROM_NOTE, "no x86 part"), 1);
	ck_assert_uint_eq(count_found(PCI_ROM_WARNS, "UEFI part"), 0);
	le16_put(data + 0xa, 0xaa64);
	check_rom(size, PCI_ROM_FILE);
	ck_assert_uint_eq(count_found(PCI_ROM_WARNS, "none for x86-64"), 1);
	le32_put(data + 4, 0);
	check_rom(size, PCI_ROM_FILE);
	ck_assert_uint_eq(count_found(PCI_ROM_WARNS, "lacks the signature 0ef1"), 1);
}
END_TEST

/* GPU-Z and nvflash put a header in front, and the chip's own data follow. */
START_TEST(finds_the_rom_behind_a_header)
{
	size_t size = rom_image_card(data + 0x600, CARD) + 0x600;

	memset(data, 0x11, 0x600);
	memcpy(data, "NVGI", 4);
	le16_put(data + 0x100, 0xaa55); /* by chance: no structure follows */
	memset(data + size, 0x22, 100);
	memset(data + size + 100, 0xff, 1000);
	check_rom(size + 1100, PCI_ROM_FILE);
	expect_failure("1536 bytes in front are not part of the ROM");
	ck_assert_ptr_nonnull(strstr(found.list[0].text, "NVGI"));
	ck_assert_str_eq(found.list[0].fix, "usher rom 0000:01:00.0 cut.rom --from 'dump.rom'");
	ck_assert_uint_eq(count_found(PCI_ROM_NOTE, "100 bytes follow the last image"), 1);
	ck_assert_uint_eq(rom.start, 0x600);
	ck_assert_uint_eq(rom.end, size);
	ck_assert_uint_eq(rom.used, size + 100);
	ck_assert_uint_eq(rom.images[1].offset, 0x600 + 2048);
}
END_TEST

START_TEST(refuses_what_is_no_rom)
{
	check_rom(0, PCI_ROM_FILE);
	expect_failure("is empty");
	memset(data, 0xff, 4096);
	check_rom(4096, PCI_ROM_FILE);
	expect_failure("no content: all 4096 bytes are alike");
	memset(data, 0x55, 4096);
	check_rom(4096, PCI_ROM_FILE);
	expect_failure("no image starts with 55 aa");
	(void)rom_image_card(data, CARD);
	data[ROM_IMAGE_PCIR] = 'X';
	check_rom(2048, PCI_ROM_FILE);
	expect_failure("image 1 has no structure 'PCIR'");
}
END_TEST

/* Wherever the data end: a header, a structure, an image. */
START_TEST(sees_where_it_is_cut_off)
{
	size_t size = rom_image_card(data, CARD);

	for (size_t left = 1; left < size; left++) {
		check_rom(left, PCI_ROM_FILE);
		ck_assert_msg(found.failures || left == 2048 || left == 2049,
			"%zu of %zu bytes are right", left, size);
	}
	check_rom(size - 1, PCI_ROM_FILE);
	expect_failure("is cut off: image 2");
	/* All of the first image: another one should follow. */
	check_rom(2048, PCI_ROM_FILE);
	expect_right();
	ck_assert_uint_eq(count_found(PCI_ROM_WARNS, "none follows"), 1);
}
END_TEST

START_TEST(ends_at_loops)
{
	size_t size = rom_image_card(data, CARD);
	uint8_t *at = data;

	le16_put(data + ROM_IMAGE_PCIR + 0x10, 0);
	rom_image_sum(data);
	check_rom(size, PCI_ROM_FILE);
	expect_failure("image 1 has the length 0");
	for (unsigned i = 0; i <= PCI_ROM_IMAGES_MAX; i++)
		at = rom_image_put(at, PCI_ROM_X86, 1, CARD, 0);
	check_rom((size_t)(at - data), PCI_ROM_FILE);
	expect_right();
	ck_assert_uint_eq(rom.image_count, PCI_ROM_IMAGES_MAX);
	ck_assert_uint_eq(count_found(PCI_ROM_WARNS, "more than 16 images"), 1);
}
END_TEST

#define VFCT_FIRST 0x4c
#define VFCT_HEADER 28

/* One image of a table at @at. Return: behind it. */
static uint8_t *vfct_put(uint8_t *at, uint32_t bus, uint32_t id, size_t size)
{
	memset(at, 0, VFCT_HEADER);
	le32_put(at, bus);
	le16_put(at + 12, (uint16_t)(id >> 16));
	le16_put(at + 14, (uint16_t)id);
	le32_put(at + 24, (uint32_t)size);
	memset(at + VFCT_HEADER, (int)bus, size);
	return at + VFCT_HEADER + size;
}

static size_t vfct_end(const uint8_t *end)
{
	memcpy(data, "VFCT", 4);
	le32_put(data + 4, (uint32_t)(end - data));
	le32_put(data + 0x34, VFCT_FIRST);
	return (size_t)(end - data);
}

static struct pci_vfct vfct_find(size_t size, struct pci_device d)
{
	struct pci_vfct v;

	pci_vfct_find(data, size, &d, &v);
	return v;
}

START_TEST(finds_the_bios_in_vfct)
{
	static const struct pci_device apu = {
		.address = {0, 6, 0, 0}, .vendor = 0x1002, .device = 0x1638};
	uint8_t *end = vfct_put(data + VFCT_FIRST, 3, 0x1002731f, 100);

	end = vfct_put(end, 6, 0x10021638, 200);
	size_t size = vfct_end(end);
	struct pci_vfct v = vfct_find(size, apu);
	ck_assert_int_eq(v.match, PCI_VFCT_PLACE);
	ck_assert_uint_eq(v.size, 200);
	ck_assert_uint_eq(v.data[0], 6);
	ck_assert_uint_eq(v.image_count, 2);
	/* The kernel numbers buses anew, and the ids remain. */
	struct pci_device moved = apu;
	moved.address.bus = 9;
	ck_assert_int_eq(vfct_find(size, moved).match, PCI_VFCT_IDS);
	moved.device = 1;
	ck_assert_int_eq(vfct_find(size, moved).match, PCI_VFCT_NONE);
	/* Firmware knows one domain; ids alone match the others. */
	moved = apu;
	moved.address.domain = 1;
	ck_assert_int_eq(vfct_find(size, moved).match, PCI_VFCT_IDS);
	/* Of two cards of one model, none can be told by its ids. */
	size = vfct_end(vfct_put(end, 7, 0x10021638, 200));
	ck_assert_int_eq(vfct_find(size, apu).match, PCI_VFCT_PLACE);
	ck_assert_int_eq(vfct_find(size, moved).match, PCI_VFCT_NONE);
}
END_TEST

START_TEST(bounds_vfct)
{
	static const struct pci_device apu = {
		.address = {0, 6, 0, 0}, .vendor = 0x1002, .device = 0x1638};
	size_t size = vfct_end(vfct_put(data + VFCT_FIRST, 6, 0x10021638, 200));

	ck_assert_int_eq(vfct_find(size - 1, apu).match, PCI_VFCT_BAD);
	ck_assert_int_eq(vfct_find(10, apu).match, PCI_VFCT_BAD);
	le32_put(data + VFCT_FIRST + 24, 201);
	ck_assert_int_eq(vfct_find(size, apu).match, PCI_VFCT_NONE);
	le32_put(data + VFCT_FIRST + 24, UINT32_MAX);
	ck_assert_int_eq(vfct_find(size, apu).match, PCI_VFCT_NONE);
	le32_put(data + 0x34, UINT32_MAX);
	ck_assert_int_eq(vfct_find(size, apu).match, PCI_VFCT_NONE);
	memcpy(data, "SSDT", 4);
	ck_assert_int_eq(vfct_find(size, apu).match, PCI_VFCT_BAD);
}
END_TEST

#define AT "/sys/bus/pci/devices/0000:01:00.0/"
#define NONE6 "0x0 0x0 0x0\\n0x0 0x0 0x0\\n0x0 0x0 0x0\\n0x0 0x0 0x0\\n0x0 0x0 0x0\\n0x0 0x0 0x0\\n"

START_TEST(knows_where_roms_are)
{
	struct pci_rom_places p;
	struct host *h = replay_lines("file " AT "resource " NONE6
				      "0x00000000000c0000 0x00000000000dffff 0x0000000000000212\n"
				      "file " AT "rom \n");

	pci_rom_places_read(h, card.address, &p);
	ck_assert(p.has_bar && p.is_shadow && !p.has_vfct);
	ck_assert_uint_eq(p.bar_size, 128 * 1024);
	host_close(h);
	h = replay_lines("file " AT "resource " NONE6 "0x0 0x0 0x0\n"
			 "bytes " PCI_VFCT_PATH " 4 0:56464354\n");
	pci_rom_places_read(h, card.address, &p);
	ck_assert(!p.has_bar && !p.is_shadow && p.has_vfct);
	host_close(h);
}
END_TEST

SUITE("rom", reads_a_good_rom, refuses_another_device, reads_the_device_list, ends_a_device_list,
	adds_up_x86_images, names_the_missing_part, finds_the_rom_behind_a_header,
	refuses_what_is_no_rom, sees_where_it_is_cut_off, ends_at_loops, finds_the_bios_in_vfct,
	bounds_vfct, knows_where_roms_are)
