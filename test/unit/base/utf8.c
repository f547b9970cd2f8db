/* SPDX-License-Identifier: MIT */
#include "base/utf8.h"

#include "suite.h"

START_TEST(decodes_every_length)
{
	static const struct {
		const char *text;
		size_t len;
		uint32_t c;
	} rows[] = {
		{"a", 1, 'a'},
		{"\x7f", 1, 0x7f},
		{"\xc2\x80", 2, 0x80},
		{"\xdf\xbf", 2, 0x7ff},
		{"\xe0\xa0\x80", 3, 0x800},
		{"\xe2\x80\xae", 3, 0x202e},
		{"\xf0\x90\x80\x80", 4, 0x10000},
		{"\xf4\x8f\xbf\xbf", 4, 0x10ffff},
	};
	uint32_t c;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ck_assert_uint_eq(utf8_decode(rows[i].text, &c), rows[i].len);
		ck_assert_uint_eq(c, rows[i].c);
	}
}
END_TEST

/* Overlong forms, surrogates, ends in the middle, and what is beyond Unicode. */
START_TEST(refuses_what_is_no_character)
{
	static const char *const texts[] = {"\x80", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2(",
		"\xe0\x80\x80", "\xe0\x9f\xbf", "\xe2\x80", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
		"\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff"};
	uint32_t c;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		ck_assert_uint_eq(utf8_decode(texts[i], &c), 0);
}
END_TEST

START_TEST(knows_what_a_terminal_obeys)
{
	static const uint32_t hidden[] = {0x01, 0x1b, 0x7f, 0x9b, 0x200b, 0x200e, 0x2028, 0x202a,
		0x202e, 0x2066, 0x2069, 0x61c, 0xfeff, 0xe0041};
	static const uint32_t seen[] = {' ', '~', 0xe4, 0x3b1, 0x2010, 0x20ac, 0x4e2d, 0x1f600};

	for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++)
		ck_assert_msg(utf8_is_hidden(hidden[i]), "U+%04X", hidden[i]);
	for (size_t i = 0; i < sizeof(seen) / sizeof(seen[0]); i++)
		ck_assert_msg(!utf8_is_hidden(seen[i]), "U+%04X", seen[i]);
}
END_TEST

SUITE("utf8", decodes_every_length, refuses_what_is_no_character, knows_what_a_terminal_obeys)
