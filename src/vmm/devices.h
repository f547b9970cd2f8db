/* SPDX-License-Identifier: MIT */
#ifndef VMM_DEVICES_H
#define VMM_DEVICES_H

struct err;
struct machine;

/* Plugs the devices of the guest that machine.spec names. Return: 0, -errno with a sentence. */

/* The lent ones. Function 0 is plugged first: the other functions of its device share its slot. */
int devices_add_passed(struct machine *m, struct err *e);

/*
 * The virtio devices, and the empty slots. After the lent ones, so that their addresses in the
 * guest do not depend on it.
 */
int devices_add_virtio(struct machine *m, struct err *e);

#endif
