/* SPDX-License-Identifier: MIT */
#ifndef VIEW_REVIVE_H
#define VIEW_REVIVE_H

#include "revive/apply.h"

#include <stddef.h>

struct err;

/* One line: the device, what is known of it, its port; and which devices share that. */
void revive_text_plan(const struct revive_plan *p);
/* The steps of a plan with their writes, for --dry-run. */
void revive_text_steps(const struct revive_plan *p);
/* The beginning of the line of a step, which may take its time. */
void revive_text_begin(enum revive_kind k);
/* The rest of that line, or the line of a step that was left out. */
void revive_text_outcome(const struct revive_outcome *o);
/* The device as it is now. */
void revive_text_end(const struct revive_plan *p, const struct revive_report *t);

/* The sentence for a device that is not back, and the hint. @e gets both. */
void revive_advise(const struct revive_plan *p, const struct revive_report *t, struct err *e);
/* How to keep the settings that brought it back at each boot; "" unless it is by them. */
void revive_keep_text(
	const struct revive_plan *p, const struct revive_report *t, char *buf, size_t size);

/* All of it as a document. @t: NULL for a dry run. Return: 0, -ENOMEM, -ENOPKG. */
int revive_json(const struct revive_plan *p, const struct revive_report *t, struct err *e);

#endif
