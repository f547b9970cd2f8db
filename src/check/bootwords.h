/* SPDX-License-Identifier: MIT */
#ifndef CHECK_BOOTWORDS_H
#define CHECK_BOOTWORDS_H

#include <stdbool.h>
#include <stddef.h>

/* A kernel command line is words between blanks. */

/*
 * Copies the next word of a command line to @buf, truncated to @size, and advances *@at.
 * Return: false at the end.
 */
bool boot_next_word(const char **at, char *buf, size_t size);

/*
 * True if the line has @word, or a word that begins with it if @word ends in '='. @ret receives the
 * word found; it may be NULL. Dash and underscore are equal, as in the kernel (parameq()).
 */
bool boot_has(const char *words, const char *word, char *ret, size_t size);

#endif
