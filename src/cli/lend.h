/* SPDX-License-Identifier: MIT */
#ifndef CLI_LEND_H
#define CLI_LEND_H

#include "engine/keeper.h"

#include <stdbool.h>

/*
 * `usher run --device` of an ordinary user: usherd lends the devices (usherd(8)), and the guest
 * gets them by their descriptors, as with --device …,fd=N,container=N.
 */

/* Whether a guest's devices have to be lent. */
bool lend_is_needed(const struct guest_spec *s, const struct engine *engine);

/*
 * Borrows, calls @guest with a keeper that has the descriptors, and waits until the devices are
 * back. A keeper in the background borrows for itself, and nobody waits for it.
 * Return: as @guest; LEAVE_REFUSED, LOAN_OURS after a report.
 */
int lend_run(const struct keeper *k, bool quiet, int (*guest)(const struct keeper *k));

#endif
