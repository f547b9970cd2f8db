/* SPDX-License-Identifier: MIT */
#ifndef LEASE_AUDIT_H
#define LEASE_AUDIT_H

#include "lease/lease.h"

#include <time.h>

/*
 * The log of all leases: who had what, from when to when, and why it ended. One JSON object a line,
 * of which usher-lease(1) has the keys. Keepers write to it at the same time, so each locks it. It
 * is bounded: AUDIT_MAX bytes, and as many of the time before that in FILE.1.
 */
#define AUDIT_MAX 1048576

struct audit {
	const struct lease *lease;
	time_t since;
	enum lease_end why; /* LEASE_RUNS: it begins now */
	const char *stuck; /* why devices did not go back; NULL: they did */
};

/* Return: 0, -errno. */
int audit_write(const struct audit *a);

/*
 * Devices that a lease has left on VFIO are back: its keeper was killed, or a process had them
 * open. @code and @done: of bind_restore() or bind_release(). Nothing is logged for other owners
 * than leases, or if no device has gone back; but a lease of devices that were bound manually is
 * over when these stay. Return: likewise.
 */
int audit_write_restored(const char *log, int code, const struct bind_report *done);

#endif
