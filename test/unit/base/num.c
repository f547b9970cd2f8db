/* SPDX-License-Identifier: MIT */
#include "base/num.h"

#include "suite.h"

#include <errno.h>

START_TEST(parses_whole_numbers)
{
	uint64_t n = 0;

	ck_assert_int_eq(num_parse("42", 10, 100, &n), 0);
	ck_assert_uint_eq(n, 42);
	ck_assert_int_eq(num_parse("0x1f", 0, 100, &n), 0);
	ck_assert_uint_eq(n, 0x1f);
	ck_assert_int_eq(num_parse("fe", 16, 255, &n), 0);
	ck_assert_uint_eq(n, 0xfe);
}
END_TEST

START_TEST(refuses_what_is_not_a_number)
{
	static const char *const bad[] = {"", " 1", "-1", "+1", "1 ", "1x", "x", "0x"};
	uint64_t n = 7;

	for (size_t i = 0; i < COUNT(bad); i++)
		ck_assert_int_eq(num_parse(bad[i], 0, UINT64_MAX, &n), -EINVAL);
	ck_assert_int_eq(num_parse("101", 10, 100, &n), -ERANGE);
	ck_assert_int_eq(num_parse("18446744073709551616", 10, UINT64_MAX, &n), -ERANGE);
	ck_assert_uint_eq(n, 7);
}
END_TEST

START_TEST(parses_sizes)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {{"4096", 4096}, {"64K", KIB(64)}, {"512M", MIB(512)}, {"2G", GIB(2)},
		{"2GiB", GIB(2)}, {"1T", GIB(1024)}, {"8B", 8}};
	static const char *const bad[] = {"", "M", "5X", "5MM", "-5M", " 5M", "5 M", "0x10"};
	uint64_t n = 7;

	for (size_t i = 0; i < COUNT(good); i++) {
		ck_assert_int_eq(num_parse_size(good[i].text, &n), 0);
		ck_assert_uint_eq(n, good[i].bytes);
	}
	n = 7;
	for (size_t i = 0; i < COUNT(bad); i++)
		ck_assert_int_eq(num_parse_size(bad[i], &n), -EINVAL);
	ck_assert_int_eq(num_parse_size("2gb", &n), -EINVAL);
	ck_assert_int_eq(num_parse_size("99999999999T", &n), -ERANGE);
	ck_assert_uint_eq(n, 7);
}
END_TEST

START_TEST(ranges_do_not_wrap)
{
	ck_assert(range_ok(0, 0, 0));
	ck_assert(range_ok(4, 4, 8));
	ck_assert(!range_ok(4, 5, 8));
	ck_assert(!range_ok(9, 0, 8));
	ck_assert(!range_ok(UINT64_MAX - 3, 8, 8));
	ck_assert(!range_ok(4, UINT64_MAX, 8));
}
END_TEST

SUITE("num", parses_whole_numbers, refuses_what_is_not_a_number, parses_sizes, ranges_do_not_wrap)
