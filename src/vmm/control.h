/* SPDX-License-Identifier: MIT */
#ifndef VMM_CONTROL_H
#define VMM_CONTROL_H

#include "vmm/loop.h"
#include "wire/order.h"

struct err;
struct machine;

/*
 * Carries out what the keeper asks while the guest runs (wire/order.h).
 * Context: main thread.
 */
struct control {
	struct machine *machine;
	struct loop_source source; /* fd -1: no orders come */
	struct wire_done done; /* the answer that is being made */
};

/* Takes over @fd; -1: there is no such socket. Return: 0, -errno. */
int control_init(struct control *c, struct machine *m, int fd, struct err *e);
void control_fini(struct control *c);

#endif
