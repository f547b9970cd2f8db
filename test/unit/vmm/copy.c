/* SPDX-License-Identifier: MIT */
#include "vmm/copy.h"

#include "base/num.h"
#include "suite.h"
#include "vmm/memory.h"

#include <errno.h>
#include <string.h>

/* Two ranges of RAM that touch at 1 MiB, read-only RAM at 2 MiB, a BAR at 8 MiB. */
static struct memory memory = MEMORY_NONE;

static void make_ranges(void)
{
	ck_assert_int_eq(memory_init(&memory, MIB(4), MEMORY_PRIVATE, NULL), 0);
	char *ram = memory.ram;
	/* In this process the second half lies below the first. */
	const struct memory_step steps[] = {
		{MEMORY_ADD, {.gpa = GPA(0), .size = MIB(1), .host = ram + MIB(1)}},
		{MEMORY_ADD, {.gpa = GPA(MIB(1)), .size = MIB(1), .host = ram}},
		{MEMORY_ADD, {.gpa = GPA(MIB(2)),
				     .size = MIB(1),
				     .host = ram + MIB(2),
				     .readonly = true}},
		{MEMORY_ADD, {.gpa = GPA(MIB(8)),
				     .size = MIB(1),
				     .host = ram + MIB(3),
				     .kind = MEMORY_DEVICE}},
	};
	ck_assert_int_eq(memory_change(&memory, steps, COUNT(steps), NULL), 0);
}

START_TEST(copies_across_a_border)
{
	char text[] = "across the border", back[sizeof(text)] = "";

	make_ranges();
	ck_assert_int_eq(memory_write(&memory, GPA(MIB(1) - 5), text, sizeof(text)), 0);
	ck_assert_mem_eq((char *)memory.ram + MIB(2) - 5, "acros", 5);
	ck_assert_str_eq(memory.ram, "s the border");
	ck_assert_int_eq(memory_read(&memory, GPA(MIB(1) - 5), back, sizeof(back)), 0);
	ck_assert_str_eq(back, text);
	ck_assert_int_eq(memory_fill(&memory, GPA(MIB(1) - 1), '-', 3), 0);
	ck_assert_int_eq(memory_read(&memory, GPA(MIB(1) - 5), back, sizeof(back)), 0);
	ck_assert_str_eq(back, "acro---the border");
	ck_assert_int_eq(memory_read(&memory, GPA(MIB(64)), back, 0), 0);
}
END_TEST

START_TEST(refuses_what_is_not_all_ram)
{
	char buf[16] = "untouched";

	make_ranges();
	ck_assert_int_eq(memory_read(&memory, GPA(MIB(3) - 8), buf, 9), -EFAULT);
	ck_assert_int_eq(memory_read(&memory, GPA(MIB(3)), buf, 1), -EFAULT);
	ck_assert_int_eq(memory_read(&memory, GPA(MIB(8)), buf, 1), -EFAULT);
	ck_assert_int_eq(memory_read(&memory, GPA(UINT64_MAX), buf, 2), -EFAULT);
	ck_assert_int_eq(memory_read(&memory, GPA(0x10), buf, SIZE_MAX), -EFAULT);
	ck_assert_str_eq(buf, "untouched");
	/* A write across the border into read-only RAM writes nothing at all. */
	ck_assert_int_eq(memory_write(&memory, GPA(MIB(2) - 4), buf, 8), -EFAULT);
	ck_assert_int_eq(memory_fill(&memory, GPA(MIB(2) - 4), 'x', 8), -EFAULT);
	ck_assert_int_eq(memory_read(&memory, GPA(MIB(2) - 4), buf, 8), 0);
	ck_assert_mem_eq(buf, "\0\0\0\0\0\0\0\0", 8);
}
END_TEST

START_TEST(fields_are_little_endian_at_any_alignment)
{
	uint16_t v16 = 0;
	uint32_t v32 = 0;
	uint64_t v64 = 0;
	uint8_t raw[2];

	make_ranges();
	ck_assert_int_eq(memory_le16_put(&memory, GPA(0x100), 0x1234), 0);
	ck_assert_int_eq(memory_read(&memory, GPA(0x100), raw, 2), 0);
	ck_assert_uint_eq(raw[0], 0x34);
	ck_assert_int_eq(memory_le16_get(&memory, GPA(0x100), &v16), 0);
	ck_assert_uint_eq(v16, 0x1234);
	/* A copy across the border of two ranges. */
	ck_assert_int_eq(memory_le32_put(&memory, GPA(MIB(1) - 2), 0x89abcdef), 0);
	ck_assert_int_eq(memory_le32_get(&memory, GPA(MIB(1) - 2), &v32), 0);
	ck_assert_uint_eq(v32, 0x89abcdef);
	ck_assert_int_eq(memory_le64_put(&memory, GPA(0x201), UINT64_C(0x1122334455667788)), 0);
	ck_assert_int_eq(memory_le64_get(&memory, GPA(0x201), &v64), 0);
	ck_assert_uint_eq(v64, UINT64_C(0x1122334455667788));
	ck_assert_int_eq(memory_le64_get(&memory, GPA(0x200), &v64), 0);
	ck_assert_uint_eq(v64, UINT64_C(0x2233445566778800));
}
END_TEST

START_TEST(fields_refuse_what_is_not_ram)
{
	uint16_t v16 = 7;
	uint64_t v64 = 7;

	make_ranges();
	ck_assert_int_eq(memory_le16_get(&memory, GPA(MIB(3)), &v16), -EFAULT);
	ck_assert_int_eq(memory_le16_get(&memory, GPA(MIB(8)), &v16), -EFAULT);
	ck_assert_int_eq(memory_le64_get(&memory, GPA(MIB(3) - 4), &v64), -EFAULT);
	ck_assert_int_eq(memory_le64_get(&memory, GPA(UINT64_MAX), &v64), -EFAULT);
	ck_assert_uint_eq(v16, 7);
	ck_assert_uint_eq(v64, 7);
	ck_assert_int_eq(memory_le64_put(&memory, GPA(MIB(2)), 1), -EFAULT);
	ck_assert_int_eq(memory_le64_get(&memory, GPA(MIB(2)), &v64), 0);
	ck_assert_uint_eq(v64, 0);
}
END_TEST

/* Copies do not reach RAM that a change removed, nor RAM that a refused change added. */
START_TEST(follows_the_table)
{
	const struct memory_range more = {.gpa = GPA(MIB(3)), .size = MIB(1)};
	const struct memory_step refused[] = {{MEMORY_ADD, more}, {MEMORY_ADD, more}};
	char c;

	make_ranges();
	ck_assert_int_eq(memory_change(&memory, refused, 2, NULL), -EEXIST);
	ck_assert_int_eq(memory_read(&memory, GPA(MIB(3)), &c, 1), -EFAULT);
	ck_assert_int_eq(memory_remove(&memory, GPA(0)), 0);
	ck_assert_int_eq(memory_read(&memory, GPA(0), &c, 1), -EFAULT);
	ck_assert_int_eq(memory_read(&memory, GPA(MIB(1)), &c, 1), 0);
	memory_fini(&memory);
	ck_assert_int_eq(memory_read(&memory, GPA(MIB(1)), &c, 1), -EFAULT);
}
END_TEST

SUITE("copy", copies_across_a_border, refuses_what_is_not_all_ram,
	fields_are_little_endian_at_any_alignment, fields_refuse_what_is_not_ram, follows_the_table)
