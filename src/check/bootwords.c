/* SPDX-License-Identifier: MIT */
#include "check/bootwords.h"

#include "base/num.h"

#include <stdio.h>
#include <string.h>

bool boot_next_word(const char **at, char *buf, size_t size)
{
	const char *word = *at + strspn(*at, " \t");
	size_t n = strcspn(word, " \t");

	*at = word + n;
	(void)snprintf(buf, size, "%.*s", (int)min_u64(n, size), word);
	return n > 0;
}

static char as_kernel(char c)
{
	return c == '-' ? '_' : c;
}

static bool word_matches(const char *got, const char *want)
{
	size_t n = strlen(want);
	bool front = n && (want[n - 1] == '=' || want[n - 1] == '\\');

	for (size_t i = 0; i < n; i++)
		if (as_kernel(got[i]) != as_kernel(want[i]))
			return false;
	return front || !got[n];
}

bool boot_has(const char *words, const char *word, char *ret, size_t size)
{
	char got[256];

	while (boot_next_word(&words, got, sizeof(got))) {
		if (!word_matches(got, word))
			continue;
		if (ret)
			(void)snprintf(ret, size, "%s", got);
		return true;
	}
	return false;
}
