/* SPDX-License-Identifier: MIT */
#ifndef VIEW_FINDINGS_H
#define VIEW_FINDINGS_H

#include "check/check.h"

/* Writers of what `usher check` found, on standard output. Return: 0, -ENOMEM, -ENOPKG. */
void findings_text(const struct check_report *r);
int findings_json(const struct check_report *r, struct err *e);

/* A line for each rule there is. */
void findings_rules(void);

#endif
