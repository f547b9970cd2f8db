/* SPDX-License-Identifier: MIT */
#include "control/line.h"

#include "base/utf8.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void put_bytes(struct control_line *l, const char *bytes, size_t len)
{
	if (l->full || len > l->size - l->len) {
		l->full = true;
		return;
	}
	memcpy(l->buf + l->len, bytes, len);
	l->len += len;
}

static void put_char(struct control_line *l, char c)
{
	put_bytes(l, &c, 1);
}

/* What is not UTF-8, or a terminal would obey, is escaped: bytes that are neither become U+00NN. */
static void put_string(struct control_line *l, const char *text)
{
	char escape[8];
	uint32_t c;

	put_char(l, '"');
	while (*text) {
		size_t n = utf8_decode(text, &c);
		bool plain = n && c != '"' && c != '\\' && (n > 1 || (c >= 0x20 && c < 0x7f)) &&
			     !utf8_is_hidden(c);
		if (plain) {
			put_bytes(l, text, n);
			text += n;
			continue;
		}
		n = n && c < 0x10000 ? n : 1;
		(void)snprintf(escape, sizeof(escape), "\\u%04x",
			n > 1 ? (unsigned)c : (unsigned char)*text);
		put_bytes(l, escape, 6);
		text += n;
	}
	put_char(l, '"');
}

static void put_key(struct control_line *l, const char *key)
{
	if (!l->first)
		put_char(l, ',');
	l->first = false;
	if (!key)
		return;
	put_string(l, key);
	put_char(l, ':');
}

void control_line_begin(struct control_line *l, char *buf, size_t size)
{
	*l = (struct control_line){.buf = buf, .size = size, .first = true};
	put_char(l, '{');
}

size_t control_line_end(struct control_line *l)
{
	put_bytes(l, "}\n", 2);
	return l->full ? 0 : l->len;
}

void control_line_text(struct control_line *l, const char *key, const char *text)
{
	put_key(l, key);
	put_string(l, text);
}

void control_line_json(struct control_line *l, const char *key, const char *json)
{
	put_key(l, key);
	put_bytes(l, json, strlen(json));
}

void control_line_number(struct control_line *l, const char *key, int64_t n)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%" PRId64, n);
	control_line_json(l, key, text);
}

void control_line_flag(struct control_line *l, const char *key, bool flag)
{
	control_line_json(l, key, flag ? "true" : "false");
}

void control_line_open(struct control_line *l, const char *key, char bracket)
{
	put_key(l, key);
	put_char(l, bracket);
	l->first = true;
}

void control_line_close(struct control_line *l, char bracket)
{
	put_char(l, bracket);
	l->first = false;
}
