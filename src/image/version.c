/* SPDX-License-Identifier: MIT */
#include "image/version.h"

#include <ctype.h>
#include <string.h>

/* '~' is before the end of a text, letters are before all other signs. */
static int sign_order(char c)
{
	if (c == '~')
		return -1;
	if (!c || isdigit((unsigned char)c))
		return 0;
	return isalpha((unsigned char)c) ? (unsigned char)c : (unsigned char)c + 256;
}

static int signs_compare(const char **a, const char **b)
{
	while ((**a && !isdigit((unsigned char)**a)) || (**b && !isdigit((unsigned char)**b))) {
		int left = sign_order(**a), right = sign_order(**b);
		if (left != right)
			return left - right;
		*a += **a != '\0';
		*b += **b != '\0';
	}
	return 0;
}

/* Of any length: the longer one, without zeros in front, is the greater one. */
static int digits_compare(const char **a, const char **b)
{
	*a += strspn(*a, "0");
	*b += strspn(*b, "0");
	size_t left = strspn(*a, "0123456789"), right = strspn(*b, "0123456789");
	int order = left == right ? strncmp(*a, *b, left) : left < right ? -1 : 1;

	*a += left;
	*b += right;
	return order;
}

int version_compare(const char *a, const char *b)
{
	while (*a || *b) {
		int order = signs_compare(&a, &b);
		if (order)
			return order;
		order = digits_compare(&a, &b);
		if (order)
			return order;
	}
	return 0;
}
