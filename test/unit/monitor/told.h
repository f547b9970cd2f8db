/* SPDX-License-Identifier: MIT */
#ifndef TEST_UNIT_MONITOR_TOLD_H
#define TEST_UNIT_MONITOR_TOLD_H

#include "monitor/event.h"

/* What the monitor tells, as lines without their time, one behind the other. */
struct told {
	char text[8192];
};

struct monitor_teller told_to(struct told *t);

/* Fails unless these lines were told since the last call. */
void told_expect(struct told *t, const char *lines);

#endif
