/* SPDX-License-Identifier: MIT */
#include "daemon/text.h"

#include "base/utf8.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define SENTENCE_MAX 2048 /* [bytes] a message and a hint */

void text_clean(char *text, size_t len)
{
	uint32_t c;

	for (size_t i = 0; i < len;) {
		const size_t bytes = text[i] ? utf8_decode(text + i, &c) : 0;
		if (!bytes)
			text[i] = '?';
		i += bytes ? bytes : 1;
	}
}

size_t text_whole(const char *text, size_t len)
{
	for (size_t back = 1; back <= 3 && back <= len; back++) {
		const unsigned char c = (unsigned char)text[len - back];
		const size_t bytes = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
		if ((c & 0xc0) != 0x80)
			return bytes > back ? len - back : len;
	}
	return len;
}

void text_copy(char *buf, size_t size, const char *text, size_t len)
{
	if (len >= size)
		len = text_whole(text, size - 1);
	memcpy(buf, text, len);
	buf[len] = '\0';
	text_clean(buf, len);
}

__attribute__((format(printf, 3, 0))) static void sentence_make(
	char *buf, size_t size, const char *fmt, va_list ap)
{
	if (vsnprintf(buf, size, fmt, ap) < 0)
		buf[0] = '\0';
	text_clean(buf, strlen(buf));
}

int text_refuse(sd_bus_error *error, const char *name, const char *fmt, ...)
{
	char text[SENTENCE_MAX];
	va_list ap;

	va_start(ap, fmt);
	sentence_make(text, sizeof(text), fmt, ap);
	va_end(ap);
	return sd_bus_error_set(error, name, text);
}

void text_reply(sd_bus_message *m, const char *name, const char *fmt, ...)
{
	char text[SENTENCE_MAX];
	va_list ap;

	va_start(ap, fmt);
	sentence_make(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)sd_bus_reply_method_errorf(m, name, "%s", text);
}
