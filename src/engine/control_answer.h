/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_CONTROL_ANSWER_H
#define ENGINE_CONTROL_ANSWER_H

#include "engine/control.h"

struct err;

/* What a keeper says to the clients of its control socket: usher-control(7) has each line. */

/* The first line of a connection. */
void control_greet(const struct control *c, struct control_client *to);

/* The answer to @q: it is done. @give_fd: goes with it, taken over; -1 none. */
void control_done(struct control_client *to, const struct control_request *q, int give_fd);

/* The answer to @q: it failed. */
void control_failed(
	struct control_client *to, const struct control_request *q, const struct err *e);

void control_tell_state(
	const struct control *c, struct control_client *to, const struct control_request *q);

/* @text: what usher-vmm says, which is checked first. */
void control_tell_figures(
	struct control_client *to, const struct control_request *q, const char *text, size_t len);

/* The devices that have come to the guest, or left it. */
void control_tell_devices(struct control_client *to, const struct control_request *q,
	const struct pci_address *list, size_t count);

/* The size that a disk has now, likewise. */
void control_tell_size(
	struct control_client *to, const struct control_request *q, const char *text, size_t len);

/* An event, to those that want to know. @status: INT_MIN none. @text, @hint: NULL none. */
void control_event(
	struct control *c, const char *name, int status, const char *text, const char *hint);

#endif
