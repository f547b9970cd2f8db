/* SPDX-License-Identifier: MIT */
#include "base/file.h"
#include "view/fact.h"
#include "view/topic.h"
#include "view/wrap.h"

#include <stdio.h>

/* Prose is not for grep: it is wrapped in a pipe as well, and never wider than TOPIC_WIDTH. */
static unsigned topic_width(void)
{
	unsigned width = wrap_width();

	return width && width < TOPIC_WIDTH ? width : TOPIC_WIDTH;
}

void topic_text(const struct topic *t, const struct facts *f, const char *whose)
{
	char safe[FACT_TEXT + 8] = "  ";

	(void)printf("%s\n\n", t->title);
	wrap_put(stdout, topic_width(), 0, t->text);
	if (!f)
		return;
	(void)printf("\nOn %s:\n", whose);
	for (size_t i = 0; i < f->count; i++) {
		file_escape(safe + 2, sizeof(safe) - 2, f->text[i]);
		wrap_put(stdout, topic_width(), 4, safe);
	}
}
