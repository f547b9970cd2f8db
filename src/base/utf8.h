/* SPDX-License-Identifier: MIT */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Decodes the character at @s, which is not "" (RFC 3629, section 4).
 * Return: its length in bytes; 0 if it is not UTF-8.
 */
size_t utf8_decode(const char *s, uint32_t *ret);

/*
 * Whether a terminal or a viewer obeys the character, or shows nothing for it: controls, marks that
 * turn the direction of writing, separators of lines, characters without width.
 */
bool utf8_is_hidden(uint32_t c);

#endif
