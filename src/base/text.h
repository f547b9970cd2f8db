/* SPDX-License-Identifier: MIT */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdio.h>

/*
 * A text that grows as it is printed:
 *
 *	if (text_begin(&t) < 0)
 *		return -ENOMEM;
 *	(void)fprintf(t.out, …);
 *	return text_end(&t, &text);
 */
struct text {
	FILE *out;
	char *bytes;
	size_t len;
};

/* Return: 0, -ENOMEM. */
int text_begin(struct text *t);

/*
 * Closes t->out. *@ret is the caller's to free(); a NUL follows it.
 * Return: its length without the NUL, -ENOMEM, then *@ret is unchanged.
 */
int text_end(struct text *t, char **ret);

#endif
