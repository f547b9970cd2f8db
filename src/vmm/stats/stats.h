/* SPDX-License-Identifier: MIT */
#ifndef VMM_STATS_STATS_H
#define VMM_STATS_STATS_H

#include <stdbool.h>

struct err;
struct machine;

/*
 * What a guest cost, reported at its end: exits by reason and by the device addressed, interrupts
 * by device and vector, bytes mapped. There are two forms of the same figures: lines of "stats:
 * NAME VALUE" among the messages, and one JSON object.
 *
 * Context: main thread, when no vCPU runs and no worker has a job, while the devices are open.
 */
void stats_print(struct machine *m);

/* Into @fd, which stays the caller's. Return: 0, -errno. */
int stats_write_json(struct machine *m, int fd, struct err *e);

/* Reads the interrupt counts of the devices. Call it once, before the other two. */
void stats_take(struct machine *m);

#endif
