/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_SCOPE_H
#define DAEMON_SCOPE_H

#include "daemon/kept.h"

/*
 * Moves a keeper that is in usherd's own cgroup, because one of its jobs has started it, to a scope
 * of systemd's: usher-lease-NAME.scope. Then nothing that is done to usherd.service reaches it.
 * Does not wait; without systemd it does nothing.
 */
void scope_give(const struct kept *k);

#endif
