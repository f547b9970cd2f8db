/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_WATCH_H
#define DAEMON_WATCH_H

#include "daemon/daemon.h"

/*
 * What usherd does by itself, as leases and guests come and go: it puts faults on the bus, has
 * logind wait with sleep, and tells systemd-machined of guests.
 */

/* Return: 0, -errno. */
int watch_add_vtables(struct daemon *d);
int watch_start(struct daemon *d);
void watch_close(struct daemon *d);

/* A lease or guest is there, has another state, or is gone. */
void watch_kept(struct daemon *d);

#endif
