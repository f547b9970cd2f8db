/* SPDX-License-Identifier: MIT */
#ifndef VMM_STATS_STATS_H
#define VMM_STATS_STATS_H

#include <stdbool.h>

struct err;
struct machine;

/*
 * What a guest cost, told at its end: exits by reason and by who was addressed, interrupts by
 * device and vector, bytes mapped. The same figures in two forms: "stats: NAME VALUE", a line
 * each, on stderr; and one JSON object.
 *
 * Context: main thread, when no processor runs, while the devices are still open.
 */
void stats_print(struct machine *m);

/* Into @fd, which stays the caller's. Return: 0, -errno. */
int stats_write_json(struct machine *m, int fd, struct err *e);

/* Adds up what the devices' interrupts have come to so far; once, before either of them. */
void stats_take(struct machine *m);

#endif
