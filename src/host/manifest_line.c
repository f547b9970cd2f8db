/* SPDX-License-Identifier: MIT */
#include "host/manifest_line.h"

#include "base/num.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Makes room for one more element; the array doubles at each power of two. */
void *manifest_array_grow(struct manifest *m, void *array, size_t count, size_t size)
{
	if (count && !is_pow2(count))
		return array;
	size_t want = count ? 2 * count : 1;
	if (want > m->budget / size)
		return NULL;
	m->budget -= (want - count) * size;
	return reallocarray(array, want, size);
}

/* Takes the next word off *@line. Return: NULL at the end. */
char *manifest_word_next(char **line)
{
	char *word = *line;

	if (!*word)
		return NULL;
	char *end = strchrnul(word, ' ');
	*line = *end ? end + 1 : end;
	*end = '\0';
	return *word ? word : NULL;
}

int manifest_hex_byte(const char *s)
{
	char text[3] = {s[0], s[0] ? s[1] : '\0', '\0'};
	uint64_t n;

	return strlen(text) == 2 && num_parse(text, 16, 255, &n) == 0 ? (int)n : -EINVAL;
}

/* Replaces \n, \\ and \xNN in place. Return: length, -EINVAL. */
ssize_t manifest_unescape(char *text)
{
	char *out = text;

	for (const char *in = text; *in; in++) {
		if (*in != '\\') {
			*out++ = *in;
			continue;
		}
		in++;
		if (*in == 'n') {
			*out++ = '\n';
		} else if (*in == '\\') {
			*out++ = '\\';
		} else if (*in == 'x' && manifest_hex_byte(in + 1) >= 0) {
			*out++ = (char)manifest_hex_byte(in + 1);
			in += 2;
		} else {
			return -EINVAL;
		}
	}
	return out - text;
}

int manifest_number_take(char **line, char end, uint64_t max, uint64_t *ret)
{
	char *stop = strchr(*line, end);

	if (!stop)
		return -EINVAL;
	*stop = '\0';
	int x = num_parse(*line, 10, max, ret);
	*line = stop + 1;
	return x;
}
