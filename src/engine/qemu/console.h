/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_QEMU_CONSOLE_H
#define ENGINE_QEMU_CONSOLE_H

#include "wire/order.h"

#include <sys/types.h>

struct engine_run;
struct err;

/*
 * How it works
 *
 * QEMU connects a console to one place. So a process is between: it copies the guest's bytes to
 * standard output and to all that look (onlookers.h), and what they type to the guest. Those come
 * by orders: the translator passes on WIRE_ORDER_CONSOLE with its descriptor.
 *
 *	QEMU ── socket ── this process ──┬── standard input and output
 *	                                 └── onlookers
 *
 * Its guest may have taken QEMU over, so this process has no rights. Whoever does not read standard
 * output holds the guest up, as a serial line does, and nobody holds up an onlooker.
 */

/*
 * Starts it. @ret_orders: the translator's end of a socket to it, which the caller closes.
 * Return: QEMU's end of the console, -errno; console_stop() in any case.
 */
int console_start(struct engine_run *run, int *ret_orders, struct err *e);

/* QEMU has ended: waits until the rest is written, but not for a reader that does not read. */
void console_stop(pid_t *pid);

/* Passes on @o with @fd. Return: 0, -EUSERS, -ETIMEDOUT, -errno. */
int console_order(int orders, const struct wire_order *o, int fd);

#endif
