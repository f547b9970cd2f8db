/* SPDX-License-Identifier: MIT */
#ifndef VIEW_WRAP_H
#define VIEW_WRAP_H

#include <stdio.h>

/*
 * Wraps sentences between words, with an indent for continuation lines, because a terminal breaks
 * lines anywhere. A pipe or a file gets one line per sentence, for grep and scripts.
 */

/* The width of the terminal on standard output [columns]; 0 if it is not a terminal, or unknown. */
unsigned wrap_width(void);

/*
 * Writes @text and a newline, wrapped at @width columns (0: never) with @hang blanks before each
 * continuation line. Words are never broken, so that they can be copied.
 */
void wrap_put(FILE *f, unsigned width, unsigned hang, const char *text);

#endif
