/* SPDX-License-Identifier: MIT */
#ifndef VIEW_FINDINGS_H
#define VIEW_FINDINGS_H

#include "check/check.h"

struct lookup_names;
struct names;

/* What `usher check` found, and how to name the devices. */
struct findings {
	const struct check_report *report;
	const struct lookup_names *nodes; /* "eth0", "nvme0n1" */
	struct names *names; /* of vendors and devices; NULL: ids */
	bool brief; /* no evidence of notes, and what could not be checked on one line */
};

/* Writers of what `usher check` found, on standard output. Return: 0, -ENOMEM, -ENOPKG. */
int findings_text(const struct findings *f, struct err *e);
int findings_json(const struct findings *f, struct err *e);

/* One line for each verdict. */
void verdicts_text(const struct findings *f);

/* A line for each rule there is. */
void findings_rules(void);

#endif
