/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_UNIT_H
#define DAEMON_UNIT_H

#include "daemon/daemon.h"

#include <stdbool.h>
#include <stdint.h>

#define UNIT_NAME_MAX 64
#define UNIT_WORDS 9 /* of systemd-run, before those of the command */

/*
 * A guest needs what usherd.service may not have: namespaces, other users, disks anywhere. So
 * systemd runs `usher start`, in a transient unit.
 */

/* Whether the job with these words gets such a unit. */
bool unit_is_needed(char *const *words);

/* The name of a unit, without its suffix, for the daemon's job of that number. */
void unit_name(char buf[UNIT_NAME_MAX], uint32_t job);

/*
 * Fills @ret with words of systemd-run, which waits for `PROGRAM WORDS…`: these words are to
 * follow. @option: room for a word, which has to outlive @ret.
 */
void unit_words(const char *program, const char *unit, char option[UNIT_NAME_MAX + 8],
	const char *ret[UNIT_WORDS]);

/*
 * Has systemd end the command in that unit. The end of systemd-run alone would leave it. What
 * systemd does not know yet it is asked for once more. Does not wait.
 */
void unit_stop(struct daemon *d, const char *unit);

#endif
