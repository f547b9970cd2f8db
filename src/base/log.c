/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static enum log_level log_max = LOG_LEVEL_INFO;
static void (*log_output)(void *ctx, const char *text, size_t len);
static void *log_output_ctx;

void log_set_level(enum log_level level)
{
	log_max = level;
}

void log_set_output(void (*output)(void *ctx, const char *text, size_t len), void *ctx)
{
	log_output = output;
	log_output_ctx = ctx;
}

void log_text(const char *text, size_t len)
{
	if (log_output)
		log_output(log_output_ctx, text, len);
	/* One write(2) a line: lines of several threads and processes do not mix. */
	else if (write(STDERR_FILENO, text, len) < 0)
		return;
}

void log_line(enum log_level level, const char *subject, const char *fmt, ...)
{
	static const char *const words[] = {"error: ", "warning: ", "", "debug: "};
	char line[1024];
	va_list ap;

	if (level > log_max)
		return;
	int len = snprintf(line, sizeof(line), "%s%s%s", words[level], subject ? subject : "",
		subject ? ": " : "");
	va_start(ap, fmt);
	len += vsnprintf(line + len, sizeof(line) - (size_t)len, fmt, ap);
	va_end(ap);
	if ((size_t)len > sizeof(line) - 2)
		len = (int)sizeof(line) - 2;
	line[len++] = '\n';
	log_text(line, (size_t)len);
}

bool log_guest_tell(struct log_guest *g)
{
	return __atomic_fetch_add(&g->count, 1, __ATOMIC_RELAXED) < LOG_GUEST_LINES;
}
