/* SPDX-License-Identifier: MIT */
#ifndef HOST_MANIFEST_LINE_H
#define HOST_MANIFEST_LINE_H

#include "host/manifest.h"

/* For the parser of a snapshot alone: words of a line, and lines that are no entries. */

/* Makes room for one more element, within the budget. Return: NULL when there is none. */
void *manifest_array_grow(struct manifest *m, void *array, size_t count, size_t size);

/* Takes the next word off *@line. Return: NULL at the end. */
char *manifest_word_next(char **line);

/* Takes a decimal number up to @end off *@line. Return: 0, -EINVAL, -ERANGE. */
int manifest_number_take(char **line, char end, uint64_t max, uint64_t *ret);

/* Return: the byte of two hexadecimal digits, -EINVAL. */
int manifest_hex_byte(const char *s);

/* Replaces \n, \\ and \xNN in place. Return: length, -EINVAL. */
ssize_t manifest_unescape(char *text);

/* Each parses the rest of its line, which it changes. Return: 0, -EINVAL, -ENOMEM. */
int manifest_parse_address(struct manifest *m, char *rest);
int manifest_parse_upper(struct manifest *m, char *rest);
int manifest_parse_away(struct manifest *m, char *rest);
int manifest_parse_use(struct manifest *m, char *rest);
int manifest_parse_namespaces(struct manifest *m, char *rest);
int manifest_parse_socket(struct manifest *m, char *rest);
int manifest_parse_time(struct manifest *m, char *rest);

#endif
