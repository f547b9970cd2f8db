/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_UNIT_H
#define DAEMON_UNIT_H

#include "daemon/daemon.h"

#include <stdbool.h>
#include <sys/types.h>

/*
 * A guest needs what usherd.service may not have: namespaces, other users, disks anywhere. So
 * systemd runs `usher start`, in a transient unit whose name has the process id of systemd-run.
 */

/* Whether the job with these words gets such a unit. */
bool unit_is_needed(char *const *words);

/* Becomes systemd-run, which waits for `usher @words…`. Returns on failure only. */
void unit_become(const struct daemon *d, char *const *words);

/*
 * Has systemd end the command in the unit of systemd-run's process @pid. The end of systemd-run
 * alone would leave it. What systemd does not know yet it is asked for once more. Does not wait.
 */
void unit_stop(struct daemon *d, pid_t pid);

#endif
