/* SPDX-License-Identifier: MIT */
#ifndef CONTROL_LINE_H
#define CONTROL_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Writes one JSON object as one line, from front to back, into a buffer of the caller's. What does
 * not fit makes the line full, and is left out as a whole: line_end() then fails.
 */
struct control_line {
	char *buf;
	size_t size;
	size_t len;
	bool full;
	bool first; /* in its object or list */
};

void control_line_begin(struct control_line *l, char *buf, size_t size);
/* Return: [bytes] with the newline, 0 if it did not fit. */
size_t control_line_end(struct control_line *l);

/* @key NULL: in a list. */
void control_line_text(struct control_line *l, const char *key, const char *text);
void control_line_number(struct control_line *l, const char *key, int64_t n);
void control_line_flag(struct control_line *l, const char *key, bool flag);
void control_line_json(struct control_line *l, const char *key, const char *json);
void control_line_open(struct control_line *l, const char *key, char bracket); /* '{', '[' */
void control_line_close(struct control_line *l, char bracket); /* '}', ']' */

#endif
