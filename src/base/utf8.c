/* SPDX-License-Identifier: MIT */
#include "base/utf8.h"

#include "base/num.h"

size_t utf8_decode(const char *s, uint32_t *ret)
{
	/* The first byte, by the length of the sequence; the least character of that length. */
	static const struct {
		unsigned char first, last, bits;
		uint32_t least;
	} forms[] = {
		{0x01, 0x7f, 0x7f, 0x00},
		{0xc2, 0xdf, 0x1f, 0x80},
		{0xe0, 0xef, 0x0f, 0x800},
		{0xf0, 0xf4, 0x07, 0x10000},
	};
	unsigned char first = (unsigned char)*s;

	for (size_t i = 0; i < COUNT(forms); i++) {
		if (first < forms[i].first || first > forms[i].last)
			continue;
		uint32_t c = first & forms[i].bits;
		for (size_t k = 1; k <= i; k++) {
			if (((unsigned char)s[k] & 0xc0) != 0x80)
				return 0;
			c = c << 6 | ((unsigned char)s[k] & 0x3f);
		}
		if (c < forms[i].least || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
			return 0;
		*ret = c;
		return i + 1;
	}
	return 0;
}

bool utf8_is_hidden(uint32_t c)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {
		{0x00, 0x1f}, {0x7f, 0x9f}, {0xad, 0xad}, /* soft hyphen */
		{0x61c, 0x61c}, /* Arabic letter mark */
		{0x180e, 0x180e}, {0x200b, 0x200f}, /* no width, and marks of direction */
		{0x2028, 0x202e}, /* separators; embeddings and overrides of direction */
		{0x2060, 0x206f}, /* word joiner, isolates */
		{0xfe00, 0xfe0f}, /* variation selectors */
		{0xfeff, 0xfeff}, /* byte order mark */
		{0xfff9, 0xfffb}, {0xe0000, 0xe0fff}, /* tags */
	};

	for (size_t i = 0; i < COUNT(ranges); i++)
		if (c >= ranges[i].first && c <= ranges[i].last)
			return true;
	return false;
}
