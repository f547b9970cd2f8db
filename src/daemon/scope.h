/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_SCOPE_H
#define DAEMON_SCOPE_H

#include "daemon/kept.h"

#define SCOPE_START "usher-start-" /* units in which systemd runs `usher start` */

/*
 * Moves a keeper that is in usherd's own cgroup, because one of its jobs has started it, to a scope
 * of systemd's: usher-lease-NAME.scope. Then nothing that is done to usherd.service reaches it.
 * A guest that systemd has started for usherd moves with all of its processes.
 * Does not wait; without systemd it does nothing.
 */
void scope_give(const struct kept *k);

#endif
