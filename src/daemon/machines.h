/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_MACHINES_H
#define DAEMON_MACHINES_H

#include "daemon/daemon.h"

/*
 * Guests in the list of systemd-machined, for `machinectl`. It ends a machine by stopping the unit
 * that its process is in, so a guest is registered only if its unit is its own: one of a guest
 * started in somebody's session is the whole session. Without machined nothing is done.
 */
struct machines;

/* Return: 0, -ENOMEM. */
int machines_new(struct daemon *d, struct machines **ret);
void machines_free(struct machines *m); /* NULL is fine */

/* Guests have changed. */
void machines_update(struct machines *m);

#endif
