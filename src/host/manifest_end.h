/* SPDX-License-Identifier: MIT */
#ifndef HOST_MANIFEST_END_H
#define HOST_MANIFEST_END_H

#include <stddef.h>

struct err;

/*
 * The last line of a snapshot, "end LINES SUM", proves that nothing is lost or changed. It counts
 * entries alone: comments and empty lines may be added. Carriage returns at the end of a line,
 * which mail adds, do not count. Plain "end" proves nothing but that the last line is there: for
 * snapshots that a person has written or edited.
 */
#define MANIFEST_END_SIZE 40

/* Return: the length of the line at @text without its newline and carriage returns before that. */
size_t manifest_line_length(const char *text);

/* Writes that line, without a newline, for the lines of @text below the first one. */
void manifest_end_format(const char *text, char buf[MANIFEST_END_SIZE]);

/*
 * Finds the last line of @text, holds it against the lines above it, and cuts @text before it.
 * Return: 0, -EINVAL.
 */
int manifest_end_check(char *text, struct err *e);

#endif
