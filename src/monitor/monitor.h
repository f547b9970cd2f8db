/* SPDX-License-Identifier: MIT */
#ifndef MONITOR_MONITOR_H
#define MONITOR_MONITOR_H

#include "monitor/event.h"

struct err;
struct host;

#define MONITOR_INTERVAL_S 5 /* between two looks at what the kernel has no event for */
#define MONITOR_REST_MS 100

struct monitor_spec {
	struct host *host;
	const char *const *run_dirs; /* of keepers; NULL after the last */
	unsigned interval_s; /* 0: such a look never */
	/* From an event until it is taken, with what comes meanwhile: others are at work then. */
	unsigned rest_ms;
	unsigned kinds; /* bits 1 << enum monitor_kind that are told; an overrun always is */
	int stop_fd; /* the end, when this can be read */
	int out_fd; /* the end, when nobody reads this any more; -1 */
	struct monitor_teller to;
	const bool *stop; /* likewise, after an event */
};

/* Tells what changes until it is to stop. Return: 0, -errno. */
int monitor_run(const struct monitor_spec *s, struct err *e);

#endif
