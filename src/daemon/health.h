/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_HEALTH_H
#define DAEMON_HEALTH_H

#include "daemon/daemon.h"

/*
 * Faults of devices on the bus: what `usher monitor` says of them, which runs as a child, because
 * a device that hangs may hold up who asks it.
 */
struct health;

/* Adds the interface to the bus. Return: 0, -errno. */
int health_new(struct daemon *d, struct health **ret);
void health_free(struct health *h); /* NULL is fine */

/* Starts the child, and starts it again whenever it ends. */
void health_start(struct health *h);

#endif
