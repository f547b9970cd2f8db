/* SPDX-License-Identifier: MIT */
#ifndef MONITOR_AER_H
#define MONITOR_AER_H

#include "monitor/event.h"

struct host;
struct seen;
struct seen_list;
struct uevent;

/* What the counters of a new function are: earlier errors are not told. */
void aer_begin(struct host *h, struct seen *s);

/* Tells of each function whose counters have grown. The kernel has no event for that. */
void aer_poll(struct seen_list *l, const struct monitor_teller *to);

/* Tells how the kernel's recovery from an error goes, which it does have an event for. */
void aer_recovery_tell(const struct uevent *u, const struct monitor_teller *to);

#endif
