/* SPDX-License-Identifier: MIT */
#include "view/card.h"

#include "view/json.h"

#include <stdarg.h>
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

static size_t count(const struct card *c, enum card_mark mark)
{
	size_t n = 0;

	for (size_t i = 0; i < c->count; i++)
		n += c->steps[i].mark == mark;
	return n;
}

bool card_passed(const struct card *c)
{
	return count(c, CARD_FAILED) == 0 && c->resets_passed > 0;
}

const char *card_verdict(const struct card *c)
{
	if (card_passed(c))
		return "it survives: a second guest will find it as the first one did";
	if (!c->tried)
		return "it was not tried";
	if (c->resets_passed)
		return "it can be lent, with care: not all that was tried went well";
	return c->resets ? "it does not survive its first guest: no way to reset it works"
			 : "it cannot be wiped between two guests: it has no way to be reset";
}

static const char *const marks[] = {
	[CARD_PASSED] = "passed",
	[CARD_FAILED] = "failed",
	[CARD_SKIPPED] = "skipped",
};

void card_print(FILE *to, const struct card *c, const char *margin)
{
	for (size_t i = 0; i < c->count; i++) {
		const struct card_step *s = &c->steps[i];
		char time[32] = "";

		if (s->time_ns)
			(void)snprintf(
				time, sizeof(time), "%.1f ms", (double)s->time_ns / 1000000.0);
		(void)fprintf(to, "%s%-16s %-7s %11s  %s\n", margin, s->name, marks[s->mark], time,
			s->text);
	}
	(void)fprintf(to, "%sverdict: %s\n", margin, card_verdict(c));
}

void card_put(struct json *map, const struct card *c)
{
	json_put_flag(map, "passed", card_passed(c));
	json_put_text(map, "verdict", card_verdict(c));
	struct json *list = json_put_list(map, "steps");
	for (size_t i = 0; i < c->count; i++) {
		const struct card_step *s = &c->steps[i];
		struct json *one = json_push_map(list);

		json_put_text(one, "step", s->name);
		json_put_text(one, "result", marks[s->mark]);
		if (s->time_ns)
			json_put_number(one, "microseconds", s->time_ns / 1000);
		else
			json_put_null(one, "microseconds");
		json_put_text(one, "text", s->text);
	}
}
