/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_QEMU_TRANSLATOR_H
#define ENGINE_QEMU_TRANSLATOR_H

#include <sys/types.h>

struct engine_run;
struct err;
struct guest_spec;
struct qemu_parts;

/*
 * How it works
 *
 * QEMU obeys QMP, JSON in lines over a socket; a keeper gives orders (wire/order.h) and never
 * waits. A process between the two translates. It waits for QEMU, and reads what a QEMU says that
 * its guest may have taken over; it has no rights, and of the guest the disks alone, for their
 * sizes. When it fails, the guest can still be stopped by a signal.
 *
 *	keeper ── orders ── translator ── QMP ── QEMU
 */

/*
 * Starts the translator. It gets our end of the orders' socket, and QEMU inherits the other end of
 * QMP's. Return: QEMU's end, -errno; translator_stop() in any case.
 */
int translator_start(struct engine_run *run, const struct guest_spec *s,
	const struct qemu_parts *parts, struct err *e);

void translator_stop(pid_t *pid);

#endif
