/* SPDX-License-Identifier: MIT */
#include "view/card.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

uint64_t card_clock(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

void card_add(
	struct card *c, const char *name, enum card_mark mark, uint64_t since, const char *fmt, ...)
{
	va_list ap;

	if (c->count == CARD_STEPS_MAX)
		return;
	struct card_step *s = &c->steps[c->count++];
	(void)snprintf(s->name, sizeof(s->name), "%s", name);
	s->mark = mark;
	s->time_ns = since ? card_clock() - since : 0;
	va_start(ap, fmt);
	(void)vsnprintf(s->text, sizeof(s->text), fmt, ap);
	va_end(ap);
}

static size_t card_count(const struct card *c, enum card_mark mark)
{
	size_t n = 0;

	for (size_t i = 0; i < c->count; i++)
		n += c->steps[i].mark == mark;
	return n;
}

bool card_passed(const struct card *c)
{
	return card_count(c, CARD_FAILED) == 0 && c->resets_passed > 0;
}

const char *card_verdict(const struct card *c)
{
	if (card_passed(c))
		return "it survives: each guest gets the device in the same state";
	if (!c->tried)
		return "it was not tried";
	if (c->resets_passed)
		return "usable with care: some steps failed";
	return c->resets ? "it does not survive: every reset failed, so the next guest would find "
			   "what the first one left"
			 : "it does not survive: it has no way to be reset, so the next guest "
			   "would find what the first one left";
}

const char *card_mark_name(enum card_mark m)
{
	static const char *const names[] = {
		[CARD_PASSED] = "passed",
		[CARD_FAILED] = "failed",
		[CARD_SKIPPED] = "skipped",
	};

	return names[m];
}
