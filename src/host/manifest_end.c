/* SPDX-License-Identifier: MIT */
#include "host/manifest_end.h"

#include "base/err.h"
#include "base/num.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define END_WORD "end"

struct tally {
	uint32_t lines; /* entries */
	uint32_t sum; /* CRC-32 of them, each with a newline */
};

/* CRC-32 of IEEE 802.3, four bits at a time. */
static uint32_t sum_add(uint32_t sum, const char *data, size_t len)
{
	static const uint32_t table[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac,
		0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8,
		0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};

	for (size_t i = 0; i < len; i++) {
		sum ^= (unsigned char)data[i];
		sum = sum >> 4 ^ table[sum & 15];
		sum = sum >> 4 ^ table[sum & 15];
	}
	return sum;
}

size_t manifest_line_length(const char *line)
{
	size_t len = strcspn(line, "\n");

	while (len && line[len - 1] == '\r')
		len--;
	return len;
}

static void tally_line(struct tally *t, const char *line, size_t len)
{
	if (len == 0 || *line == '#')
		return;
	t->lines++;
	t->sum = sum_add(t->sum, line, len);
	t->sum = sum_add(t->sum, "\n", 1);
}

static bool is_end(const char *line, size_t len)
{
	size_t word = strlen(END_WORD);

	return len >= word && memcmp(line, END_WORD, word) == 0 &&
	       (len == word || line[word] == ' ');
}

/* Counts up to the last line. Return: that one; NULL if there is none. */
static const char *tally_text(const char *text, struct tally *ret)
{
	struct tally t = {.sum = UINT32_MAX};
	const char *end = NULL;

	for (const char *line = text; *line && !end;) {
		size_t len = manifest_line_length(line);

		if (is_end(line, len))
			end = line;
		else if (line != text)
			tally_line(&t, line, len);
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
	t.sum = ~t.sum;
	*ret = t;
	return end;
}

void manifest_end_format(const char *text, char buf[MANIFEST_END_SIZE])
{
	struct tally t;

	(void)tally_text(text, &t);
	(void)snprintf(buf, MANIFEST_END_SIZE, END_WORD " %" PRIu32 " %08" PRIx32, t.lines, t.sum);
}

/* Parses "end LINES SUM". */
static int end_parse(const char *line, size_t len, struct tally *ret)
{
	char text[MANIFEST_END_SIZE] = "", *save = NULL;
	uint64_t lines, sum;

	if (len >= sizeof(text))
		return -EINVAL;
	memcpy(text, line, len);
	(void)strtok_r(text, " ", &save);
	const char *first = strtok_r(NULL, " ", &save), *second = strtok_r(NULL, " ", &save);
	if (!first || !second || strtok_r(NULL, " ", &save) ||
		num_parse(first, 10, UINT32_MAX, &lines) < 0 ||
		num_parse(second, 16, UINT32_MAX, &sum) < 0)
		return -EINVAL;
	*ret = (struct tally){(uint32_t)lines, (uint32_t)sum};
	return 0;
}

static int refuse_text(struct err *e)
{
	err_hint(e, "get it again, as an attachment; if somebody edited it on purpose, make its "
		    "last line plain '" END_WORD "'");
	return -EINVAL;
}

int manifest_end_check(char *text, struct err *e)
{
	struct tally found, told;

	const char *end = tally_text(text, &found);
	if (!end) {
		(void)err_say(e, -EINVAL, "it is cut off: its last line is not '" END_WORD "'");
		return refuse_text(e);
	}
	size_t len = manifest_line_length(end);
	bool is_plain = len == strlen(END_WORD);
	int r = is_plain ? 0 : end_parse(end, len, &told);
	text[end - text] = '\0';
	if (is_plain)
		return 0;
	if (r < 0)
		(void)err_say(e, -EINVAL, "its line '" END_WORD "' is cut off or malformed");
	else if (told.lines != found.lines)
		(void)err_say(e, -EINVAL,
			"it has %" PRIu32 " lines with entries, but usher wrote %" PRIu32,
			found.lines, told.lines);
	else if (told.sum != found.sum)
		(void)err_say(e, -EINVAL, "a line differs from what usher wrote");
	else
		return 0;
	return refuse_text(e);
}
