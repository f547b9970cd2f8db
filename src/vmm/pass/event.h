/* SPDX-License-Identifier: MIT */
#ifndef VMM_PASS_EVENT_H
#define VMM_PASS_EVENT_H

#include "vmm/loop.h"
#include "vmm/worker.h"

struct err;
struct pass_dev;

/*
 * Events that the host's kernel reports for a device while the guest has it.
 *
 * Request: the host wants the device back (unbinds the driver), and waits until usher closes it.
 * usher presses the attention button of the slot, once, however often the kernel asks. If the guest
 * does not release the device in time, usher removes it. A device that is gone from the host is
 * removed at once.
 * Error: the device reported an uncorrectable error (AER). usher removes it: its next action is
 * unknown, and the other devices of the guest still work.
 *
 * Removed means: closed and returned to the host; the guest reads all-ones in its place, and finds
 * the slot empty. Functions that share a slot leave together, but after an error of one of them the
 * others stay.
 */
struct pass_event {
	struct loop_source source; /* fd -1: the device does not report it */
	struct pass_dev *dev;
};

struct pass_events {
	struct pass_event request;
	struct pass_event error;
	struct pass_event deadline; /* of a request; a timer */
	struct worker_job job; /* a request: is the device still there? */
	bool looked; /* the job has found out, and the loop is to serve the request */
	bool gone; /* it is not there */
	bool deferred; /* the loop hears of them only after pass_events_watch() */
	bool asked; /* the guest was asked to release the device */
	bool answered; /* it was releasing it when the first deadline came */
	bool logged; /* a message has said that usher removes it */
};

/* Return: 0, -errno. */
int pass_events_init(struct pass_dev *d, struct err *e);
void pass_events_fini(struct pass_dev *d);

/*
 * Lets the loop serve deferred events. The device is in its slot, whose button the loop presses.
 * Events that came earlier are served now. Return: 0, -errno.
 */
int pass_events_watch(struct pass_dev *d, struct err *e);

/* The job of struct pass_events. */
void pass_events_run(struct worker_job *j);

/* Logs that the device leaves the guest, unless another message said so; before pass_dev_drop(). */
void pass_events_ejected(struct pass_dev *d);

#endif
