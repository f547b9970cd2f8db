/* SPDX-License-Identifier: MIT */
#ifndef MONITOR_EVENT_H
#define MONITOR_EVENT_H

#include "pci/address.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct control_value;

/* What changes on a host, as `usher monitor` prints it and usherd puts it on the bus. */
enum monitor_kind {
	MONITOR_ADDED, /* a function is on the bus */
	MONITOR_REMOVED,
	MONITOR_DRIVER,
	MONITOR_FAULT,
	MONITOR_RECOVERED, /* what a fault said is over */
	MONITOR_LEASE,
	MONITOR_GUEST,
	MONITOR_OVERRUN, /* the kernel has dropped events */
	MONITOR_KINDS,
};

/* "added", …, as in JSON documents. */
const char *monitor_kind_name(enum monitor_kind kind);

/* All texts live as long as the call that gets the event. NULL: it has no such. */
struct monitor_event {
	enum monitor_kind kind;
	struct timespec time;
	bool has_address;
	struct pci_address address;
	uint16_t vendor, device; /* of ADDED, REMOVED */
	uint32_t class; /* likewise */
	const char *driver, *driver_before; /* "" none */
	const char *lease, *guest; /* whose keeper says it */
	const char *state; /* of it: "running", "ended"; NULL: its keeper does not say */
	const struct control_value *kept; /* all that its keeper says */
	const char *cause; /* of a fault: "lost", "aer-fatal", "reset" */
	const char *evidence; /* where it is seen, and what stands there */
	bool missed; /* found after an overrun: it may have happened before */
};

struct monitor_teller {
	void (*tell)(void *arg, const struct monitor_event *e);
	void *arg;
};

void monitor_tell(const struct monitor_teller *to, struct monitor_event *e);

#define MONITOR_LINE_MAX 16384 /* [bytes] */

/*
 * One line about an event with a newline, as text or as a JSON object.
 * Return: [bytes], 0 if it does not fit.
 */
size_t monitor_line_text(const struct monitor_event *e, char *buf, size_t size);
size_t monitor_line_json(const struct monitor_event *e, char *buf, size_t size);

#endif
