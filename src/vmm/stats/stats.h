/* SPDX-License-Identifier: MIT */
#ifndef VMM_STATS_STATS_H
#define VMM_STATS_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

/*
 * The same while the guest runs, as a JSON object into @ret, without KVM's own figures.
 * @interrupts_fd: /proc/interrupts; stays the caller's.
 * Context: main thread, while no device is being attached. Return: 0, -E2BIG, -ENOMEM.
 */
int stats_tell(struct machine *m, int interrupts_fd, char *ret, size_t size, uint32_t *ret_len);

/* Reads the interrupt counts of the devices. Call it once, before the other two. */
void stats_take(struct machine *m);

#endif
