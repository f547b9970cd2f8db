/* SPDX-License-Identifier: MIT */
#include "view/nearest.h"

#include <stdint.h>
#include <string.h>

#define DISTANCE_MAX 2

/* The edit distance of two words; only short words are compared. */
static unsigned word_distance(const char *a, const char *b)
{
	unsigned row[24];
	size_t n = strlen(b);

	if (n >= sizeof(row) / sizeof(row[0]))
		return UINT32_MAX;
	for (unsigned j = 0; j <= n; j++)
		row[j] = j;
	for (unsigned i = 1; a[i - 1]; i++) {
		unsigned corner = row[0];
		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			unsigned change = corner + (a[i - 1] != b[j - 1]);
			unsigned step = 1 + (row[j] < row[j - 1] ? row[j] : row[j - 1]);
			corner = row[j];
			row[j] = change < step ? change : step;
		}
	}
	return row[n];
}

struct nearest nearest_begin(const char *typed)
{
	return (struct nearest){.typed = typed, .distance = DISTANCE_MAX + 1};
}

void nearest_try(struct nearest *n, const char *word)
{
	unsigned d = word_distance(n->typed, word);

	/* With two other letters of three, it is another word. */
	if (d < n->distance && 2 * (size_t)d <= strlen(n->typed)) {
		n->distance = d;
		n->word = word;
	}
}
