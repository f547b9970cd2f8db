/* SPDX-License-Identifier: MIT */
#include "base/num.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int num_parse(const char *text, unsigned base, uint64_t max, uint64_t *ret)
{
	char *end;

	/* strtoull() skips blanks and takes signs. */
	if (!isxdigit((unsigned char)text[0]))
		return -EINVAL;
	errno = 0;
	unsigned long long n = strtoull(text, &end, (int)base);
	if (*end || end == text)
		return -EINVAL;
	if (errno == ERANGE || n > max)
		return -ERANGE;
	*ret = n;
	return 0;
}

static int suffix_shift(const char *s)
{
	static const char units[] = "KMGT";
	const char *unit = *s ? strchr(units, toupper((unsigned char)*s)) : NULL;
	int shift = 0;

	if (unit) {
		shift = 10 * (int)(unit - units + 1);
		s++;
		if (*s == 'i' && s[1] == 'B')
			s++;
	}
	if (*s == 'B')
		s++;
	return *s ? -EINVAL : shift;
}

int num_parse_size(const char *text, uint64_t *ret)
{
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return -EINVAL;
	errno = 0;
	unsigned long long n = strtoull(text, &end, 10);
	if (errno == ERANGE)
		return -ERANGE;
	int shift = suffix_shift(end);
	if (shift < 0)
		return shift;
	if (n > (UINT64_MAX >> shift))
		return -ERANGE;
	*ret = (uint64_t)n << shift;
	return 0;
}
