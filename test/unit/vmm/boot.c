/* SPDX-License-Identifier: MIT */
#include "vmm/boot.h"

#include "base/endian.h"
#include "base/err.h"
#include "base/num.h"
#include "suite.h"
#include "vmm/memory.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A small image: ELF header, two program headers, a note at 0x200, code at 0x400. */
#define NOTE_OFF 0x200
#define CODE_OFF 0x400
#define IMAGE_SIZE 0x800
#define LOAD_AT 0x200000

static uint8_t image[IMAGE_SIZE];
static struct memory memory = MEMORY_NONE;
static char path[64];

static Elf64_Ehdr *image_header(void)
{
	return (Elf64_Ehdr *)(void *)image;
}

static Elf64_Phdr *image_segment(unsigned i)
{
	return (Elf64_Phdr *)(void *)(image + sizeof(Elf64_Ehdr)) + i;
}

static void put_note(uint32_t off, const char *name, uint32_t type, uint32_t desc)
{
	le32_put(image + off, (uint32_t)strlen(name) + 1);
	le32_put(image + off + 4, 8);
	le32_put(image + off + 8, type);
	memcpy(image + off + 12, name, strlen(name) + 1);
	le64_put(image + off + 16, desc);
}

/* Makes a good image, which a test then damages. */
static void make_image(void)
{
	memset(image, 0, sizeof(image));
	Elf64_Ehdr *h = image_header();
	memcpy(h->e_ident, ELFMAG, SELFMAG);
	h->e_ident[EI_CLASS] = ELFCLASS64;
	h->e_ident[EI_DATA] = ELFDATA2LSB;
	h->e_type = ET_EXEC;
	h->e_machine = EM_X86_64;
	h->e_phoff = sizeof(*h);
	h->e_phentsize = sizeof(Elf64_Phdr);
	h->e_phnum = 2;
	*image_segment(0) = (Elf64_Phdr){.p_type = PT_LOAD,
		.p_offset = CODE_OFF,
		.p_paddr = LOAD_AT,
		.p_filesz = 0x100,
		.p_memsz = 0x1000};
	*image_segment(1) = (Elf64_Phdr){.p_type = PT_NOTE, .p_offset = NOTE_OFF, .p_filesz = 48};
	put_note(NOTE_OFF, "GNU", 18, 0xdead);
	put_note(NOTE_OFF + 24, "Xen", 18, LOAD_AT + 0x10);
	memset(image + CODE_OFF, 0x90, 0x100);
}

static int load_image(size_t size, struct boot_kernel *k, struct err *e)
{
	(void)strcpy(path, "/tmp/usher-boot-XXXXXX");
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq((int)write(fd, image, size), (int)size);
	(void)close(fd);
	if (!memory.ram) {
		ck_assert_int_eq(memory_init(&memory, MIB(4), MEMORY_PRIVATE, NULL), 0);
		struct memory_range r = {.gpa = GPA(0), .size = MIB(4), .host = memory.ram};
		ck_assert_int_eq(memory_add(&memory, &r, NULL), 0);
	}
	const struct boot_file file = {.fd = open(path, O_RDONLY | O_CLOEXEC), .name = path};
	int r = boot_load_kernel(&memory, &file, k, e);
	(void)close(file.fd);
	(void)unlink(path);
	return r;
}

static void expect_refusal(size_t size, int code, const char *word)
{
	struct boot_kernel k;
	struct err e = {0};

	ck_assert_int_eq(load_image(size, &k, &e), code);
	ck_assert_msg(strstr(e.msg, word), "'%s' is not in '%s'", word, e.msg);
}

START_TEST(loads_a_good_image)
{
	struct boot_kernel k;

	make_image();
	ck_assert_int_eq(load_image(IMAGE_SIZE, &k, NULL), 0);
	ck_assert_uint_eq(k.entry, LOAD_AT + 0x10);
	ck_assert_uint_eq(k.end, LOAD_AT + 0x1000);
	const uint8_t *at = memory_ram(&memory, GPA(LOAD_AT), 0x1000);
	ck_assert_uint_eq(at[0xff], 0x90);
	ck_assert_uint_eq(at[0x100], 0);
}
END_TEST

START_TEST(says_what_is_no_kernel)
{
	make_image();
	image[0] = '#';
	expect_refusal(IMAGE_SIZE, -ENOEXEC, "not a kernel image");
	expect_refusal(3, -ENOEXEC, "not a kernel image");
	memcpy(image + 0x202, "HdrS", 4);
	expect_refusal(IMAGE_SIZE, -ENOEXEC, "bzImage");
	make_image();
	image_header()->e_machine = EM_AARCH64;
	expect_refusal(IMAGE_SIZE, -ENOEXEC, "not of 64-bit x86");
	make_image();
	image_header()->e_type = ET_REL;
	expect_refusal(IMAGE_SIZE, -ENOEXEC, "cannot be executed");
	expect_refusal(sizeof(Elf64_Ehdr), -ENOEXEC, "cannot be executed");
}
END_TEST

START_TEST(names_the_file_that_it_refuses)
{
	const struct boot_file file = {
		.fd = open("/", O_RDONLY | O_CLOEXEC), .name = "/boot/vmlinux"};
	struct boot_kernel k;
	struct err e;

	ck_assert_int_eq(boot_load_kernel(&memory, &file, &k, &e), -ENOEXEC);
	ck_assert_str_eq(e.msg, "load kernel '/boot/vmlinux': not a regular file");
	(void)close(file.fd);
}
END_TEST

START_TEST(refuses_hostile_program_headers)
{
	make_image();
	image_header()->e_phoff = UINT64_MAX - 8;
	expect_refusal(IMAGE_SIZE, -ENOEXEC, "cut short");
	make_image();
	image_header()->e_phnum = UINT16_MAX;
	expect_refusal(IMAGE_SIZE, -ENOEXEC, "invalid program headers");
	make_image();
	image_header()->e_phentsize = 1;
	expect_refusal(IMAGE_SIZE, -ENOEXEC, "invalid program headers");
	make_image();
	image_segment(0)->p_offset = UINT64_MAX - 0x80;
	expect_refusal(IMAGE_SIZE, -ENOEXEC, "cut short");
	make_image();
	image_segment(0)->p_filesz = 0x2000; /* more than p_memsz */
	expect_refusal(IMAGE_SIZE, -ENOEXEC, "cut short");
	make_image();
	expect_refusal(CODE_OFF + 0x80, -ENOEXEC, "cut short");
}
END_TEST

START_TEST(refuses_to_load_outside_of_ram)
{
	make_image();
	image_segment(0)->p_paddr = MIB(4) - 0x100;
	expect_refusal(IMAGE_SIZE, -ENOMEM, "the guest has");
	make_image();
	image_segment(0)->p_paddr = UINT64_MAX - 0xfff;
	expect_refusal(IMAGE_SIZE, -ENOMEM, "the guest has");
	make_image();
	image_segment(0)->p_memsz = UINT64_MAX;
	expect_refusal(IMAGE_SIZE, -ENOMEM, "the guest has");
	make_image();
	image_segment(0)->p_paddr = BOOT_START_INFO;
	expect_refusal(IMAGE_SIZE, -ENOEXEC, "below 1 MiB");
}
END_TEST

START_TEST(wants_a_pvh_entry)
{
	make_image();
	put_note(NOTE_OFF + 24, "Xen", 17, LOAD_AT);
	expect_refusal(IMAGE_SIZE, -ENOEXEC, "CONFIG_PVH");
	make_image();
	image_segment(1)->p_filesz = 40; /* the note is cut */
	expect_refusal(IMAGE_SIZE, -ENOEXEC, "CONFIG_PVH");
	make_image();
	image_segment(1)->p_offset = UINT64_MAX;
	expect_refusal(IMAGE_SIZE, -ENOEXEC, "CONFIG_PVH");
	make_image();
	le32_put(image + NOTE_OFF, UINT32_MAX); /* a name of 4 GiB */
	expect_refusal(IMAGE_SIZE, -ENOEXEC, "CONFIG_PVH");
	make_image();
	le32_put(image + NOTE_OFF + 4, UINT32_MAX - 2); /* its padded size overflows */
	expect_refusal(IMAGE_SIZE, -ENOEXEC, "CONFIG_PVH");
	make_image();
	put_note(NOTE_OFF + 24, "Xen", 18, LOAD_AT + 0x1000);
	expect_refusal(IMAGE_SIZE, -ENOEXEC, "lies outside");
	make_image();
	put_note(NOTE_OFF + 24, "Xen", 18, 0x7000);
	expect_refusal(IMAGE_SIZE, -ENOEXEC, "lies outside");
}
END_TEST

START_TEST(initrd_at_the_top_or_not_at_all)
{
	struct boot_kernel k;
	struct boot_initrd rd;
	struct err e;
	char name[] = "/tmp/usher-initrd-XXXXXX";
	int fd = mkstemp(name);
	const struct boot_file file = {.fd = fd, .name = name};

	make_image();
	ck_assert_int_eq(load_image(IMAGE_SIZE, &k, NULL), 0);
	ck_assert_int_eq(ftruncate(fd, 0x1801), 0);
	ck_assert_int_eq((int)pwrite(fd, "x", 1, 0x1800), 1);
	ck_assert_int_eq(boot_load_initrd(&memory, &file, k.end, MIB(4), &rd, &e), 0);
	ck_assert_uint_eq(rd.gpa.v, MIB(4) - 0x2000);
	ck_assert_uint_eq(rd.size, 0x1801);
	ck_assert_int_eq(((char *)memory_ram(&memory, rd.gpa, rd.size))[0x1800], 'x');
	ck_assert_int_eq(ftruncate(fd, (off_t)(MIB(4) - k.end)), 0);
	ck_assert_int_eq(boot_load_initrd(&memory, &file, k.end, MIB(4), &rd, &e), 0);
	ck_assert_int_eq(ftruncate(fd, (off_t)(MIB(4) - k.end + 1)), 0);
	ck_assert_int_eq(boot_load_initrd(&memory, &file, k.end, MIB(4), &rd, &e), -ENOMEM);
	ck_assert_ptr_nonnull(strstr(e.msg, "do not fit"));
	ck_assert_int_eq(ftruncate(fd, (off_t)GIB(64)), 0);
	ck_assert_int_eq(boot_load_initrd(&memory, &file, k.end, MIB(4), &rd, &e), -ENOMEM);
	(void)close(fd);
	(void)unlink(name);
}
END_TEST

START_TEST(start_info_tells_where_things_are)
{
	struct boot_kernel k;
	struct boot_info b = {.cmdline = "console=ttyS0",
		.rsdp = GPA(0xe0000),
		.initrd = {.gpa = GPA(0x300000), .size = 0x123}};

	make_image();
	ck_assert_int_eq(load_image(IMAGE_SIZE, &k, NULL), 0);
	boot_add_map(&b, 0, 0xa0000, BOOT_RAM);
	boot_add_map(&b, 0x123000, 0, BOOT_RAM); /* of no size: ignored */
	boot_add_map(&b, 0xe8000000, MIB(64), BOOT_RESERVED);
	/* At a reboot, guest memory still has what the last kernel left there. */
	memset(memory_ram(&memory, GPA(BOOT_START_INFO), MIB(1) - BOOT_START_INFO), 0xff,
		MIB(1) - BOOT_START_INFO);
	ck_assert_int_eq(boot_write_info(&memory, &b, NULL), 0);
	const uint8_t *info = memory_ram(&memory, GPA(BOOT_START_INFO), 56);
	ck_assert_uint_eq(le32_get(info), 0x336ec578);
	ck_assert_uint_eq(le32_get(info + 4), 1);
	ck_assert_uint_eq(le32_get(info + 12), 1);
	const uint8_t *module = memory_ram(&memory, GPA(le64_get(info + 16)), 32);
	ck_assert_uint_eq(le64_get(module), 0x300000);
	ck_assert_uint_eq(le64_get(module + 8), 0x123);
	ck_assert_str_eq(memory_ram(&memory, GPA(le64_get(info + 24)), 16), "console=ttyS0");
	ck_assert_uint_eq(le64_get(info + 32), 0xe0000);
	ck_assert_uint_eq(le32_get(info + 48), 2);
	const uint8_t *map = memory_ram(&memory, GPA(le64_get(info + 40)), 48);
	ck_assert_uint_eq(le64_get(map + 8), 0xa0000);
	ck_assert_uint_eq(le64_get(map + 24), 0xe8000000);
	ck_assert_uint_eq(le32_get(map + 40), BOOT_RESERVED);
	ck_assert_uint_eq(le32_get(map + 20), 0); /* the last word of an entry is reserved */
	ck_assert_uint_eq(le32_get(map + 44), 0);
}
END_TEST

START_TEST(command_line_that_is_too_long)
{
	static char text[BOOT_CMDLINE_MAX + 1];
	struct boot_kernel k;
	struct boot_info b = {.cmdline = text};

	make_image();
	ck_assert_int_eq(load_image(IMAGE_SIZE, &k, NULL), 0);
	memset(text, 'a', sizeof(text) - 1);
	ck_assert_int_eq(boot_write_info(&memory, &b, NULL), -E2BIG);
	text[BOOT_CMDLINE_MAX - 1] = 0;
	ck_assert_int_eq(boot_write_info(&memory, &b, NULL), 0);
}
END_TEST

SUITE("boot", loads_a_good_image, says_what_is_no_kernel, names_the_file_that_it_refuses,
	refuses_hostile_program_headers, refuses_to_load_outside_of_ram, wants_a_pvh_entry,
	initrd_at_the_top_or_not_at_all, start_info_tells_where_things_are,
	command_line_that_is_too_long)
