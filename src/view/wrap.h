/* SPDX-License-Identifier: MIT */
#ifndef VIEW_WRAP_H
#define VIEW_WRAP_H

#include <stdio.h>

/*
 * Sentences for people: a terminal breaks them anywhere, so they are broken between words before,
 * and what follows stands below what it belongs to. Into a pipe or a file goes one line a
 * sentence, for grep and for scripts.
 */

/* Columns of the terminal that standard output is; 0: it is none, or does not tell. */
unsigned wrap_width(void);

/*
 * @text and a newline; where more than @width columns (0: never) would be needed, goes on in a new
 * line behind @hang blanks. Words are never broken: somebody may want to copy them.
 */
void wrap_put(FILE *f, unsigned width, unsigned hang, const char *text);

#endif
