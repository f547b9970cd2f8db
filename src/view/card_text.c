/* SPDX-License-Identifier: MIT */
#include "view/card.h"

void card_text(FILE *to, const struct card *c, const char *margin)
{
	for (size_t i = 0; i < c->count; i++) {
		const struct card_step *s = &c->steps[i];
		char time[32] = "";

		if (s->time_ns)
			(void)snprintf(
				time, sizeof(time), "%.1f ms", (double)s->time_ns / 1000000.0);
		(void)fprintf(to, "%s%-16s %-7s %11s  %s\n", margin, s->name,
			card_mark_name(s->mark), time, s->text);
	}
	(void)fprintf(to, "%sverdict: %s\n", margin, card_verdict(c));
}
