/* SPDX-License-Identifier: MIT */
#ifndef METRICS_COLLECT_H
#define METRICS_COLLECT_H

#include "metrics/family.h"

struct bind_env;
struct control_value;
struct err;
struct host;

/* What each adds is a set of families of metrics/family.h. */

/* Functions and groups by driver, their errors. Return: 0, -errno. */
int metrics_devices(struct metrics *m, struct host *h, struct err *e);

/* The journal of groups that are taken, and what was refused since the boot. */
void metrics_journal(struct metrics *m, const struct bind_env *env);

/* Leases and guests, as their keepers describe them; NULL: a keeper that does not. */
void metrics_lease(struct metrics *m, const char *name, const struct control_value *state);
void metrics_guest(struct metrics *m, const char *name, const struct control_value *state);

/* What a guest of usher-vmm has cost so far: the answer to "statistics". */
void metrics_statistics(struct metrics *m, const char *name, const struct control_value *figures);

#endif
