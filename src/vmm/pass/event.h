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
 * hold it. The guest is asked to let go (the attention button of its slot), once, however often the
 * kernel asks; a guest that does not in time loses the device as if it were pulled. One that is
 * gone from the host is pulled at once.
 * Error: the device reported an error that it cannot correct (AER). It is pulled: what it would
 * do next nobody knows, and the other devices of the guest are not to blame.
 *
 * Pulled means: closed and back with the host; the guest finds all-ones in its place, and is told
 * that the slot is empty. What shares a slot leaves together, as a card of several functions does;
 * but one function's error is its own.
 */
struct pass_event {
	struct loop_source source; /* fd -1: the device does not tell */
	struct pass_dev *dev;
};

struct pass_events {
	struct pass_event request;
	struct pass_event error;
	struct pass_event deadline; /* of a request; a timer */
	bool asked; /* the guest, to let go */
	bool answered; /* it was about to when the first deadline came */
	bool late; /* it has not */
};

/* Return: 0, -errno. */
int pass_events_init(struct pass_dev *d, struct err *e);
void pass_events_fini(struct pass_dev *d);

/* Says that the device leaves the guest, if nobody has yet; before pass_dev_drop(). */
void pass_events_ejected(struct pass_dev *d);

#endif
