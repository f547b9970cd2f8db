/* SPDX-License-Identifier: MIT */
#ifndef VMM_PASS_EVENT_H
#define VMM_PASS_EVENT_H

#include "vmm/loop.h"

struct err;
struct pass_dev;

/*
 * What the host's kernel has to say of a device while the guest has it.
 *
 * Request: somebody on the host wants it back (unbinds the driver), and waits for as long as we
 * hold it. The guest keeps a device that works, and the log says who is waited for. One that is
 * gone (pulled) is dropped at once.
 * Error: the device reported an error that it cannot correct (AER). It is dropped: what it would
 * do next nobody knows, and the other devices of the guest are not to blame.
 *
 * Dropped means: closed and back with the host; the guest finds all-ones in its place, as when a
 * device is pulled from a slot.
 */
struct pass_event {
	struct loop_source source; /* fd -1: the device does not tell */
	struct pass_dev *dev;
};

struct pass_events {
	struct pass_event request;
	struct pass_event error;
	bool told; /* of a request */
};

/* Return: 0, -errno. */
int pass_events_init(struct pass_dev *d, struct err *e);
void pass_events_fini(struct pass_dev *d);

#endif
