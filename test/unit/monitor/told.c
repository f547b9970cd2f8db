/* SPDX-License-Identifier: MIT */
#include "suite.h"
#include "told.h"

#include <string.h>

#define TIME_LEN 20 /* "2026-11-29 12:00:00 " */

static void line_add(void *arg, const struct monitor_event *e)
{
	char line[MONITOR_LINE_MAX];
	struct told *t = arg;
	const size_t len = monitor_line_text(e, line, sizeof(line)), have = strlen(t->text);

	ck_assert_uint_gt(len, TIME_LEN);
	ck_assert_uint_lt(have + len, sizeof(t->text));
	memcpy(t->text + have, line + TIME_LEN, len - TIME_LEN);
	t->text[have + len - TIME_LEN] = '\0';
}

struct monitor_teller told_to(struct told *t)
{
	t->text[0] = '\0';
	return (struct monitor_teller){line_add, t};
}

void told_expect(struct told *t, const char *lines)
{
	ck_assert_str_eq(t->text, lines);
	t->text[0] = '\0';
}
