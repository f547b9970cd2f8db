/* SPDX-License-Identifier: MIT */
#include "daemon/words.h"

#include <stdarg.h>
#include <stdio.h>

bool word_add(struct words *w, const char *fmt, ...)
{
	const size_t room = sizeof(w->text) - w->used;
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(w->text + w->used, room, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= room || w->count == WORDS_MAX - 1)
		return false;
	w->list[w->count++] = w->text + w->used;
	w->used += (size_t)n + 1;
	return true;
}
