/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_QEMU_PLUGGING_H
#define ENGINE_QEMU_PLUGGING_H

#include "wire/order.h"

struct monitor;

/* Orders about lent devices of a guest that runs: WIRE_ORDER_PLUG and the two below it. */

/*
 * Return: 0; -EEXIST the guest has one of them; -ENOSPC no slot is free; -EREMOTEIO QEMU refuses,
 * with its words in @m->refusal; -errno.
 */
int monitor_plug(struct monitor *m, const struct wire_order *o);

/* Return: 0: QEMU has asked the guest, or had before; -ENODEV; -EREMOTEIO, as above; -errno. */
int monitor_unplug(struct monitor *m, const struct wire_order *o);

/* Fills @d->text. Return: 0, -errno. */
int monitor_lent(struct monitor *m, struct wire_done *d);

#endif
