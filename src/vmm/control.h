/* SPDX-License-Identifier: MIT */
#ifndef VMM_CONTROL_H
#define VMM_CONTROL_H

#include "vmm/loop.h"
#include "vmm/virtio/disks.h"
#include "wire/order.h"

#include <stdbool.h>
#include <stdint.h>

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
	/* A disk is resized by its worker, which rings here. */
	struct disk_resized resize;
	struct loop_source resized; /* fd: an eventfd; -1 before the first one */
	bool resizing;
	uint32_t resize_id; /* of the order */
	int resize_result;
	uint64_t resize_size;
};

/* Takes over @fd; -1: there is no such socket. Return: 0, -errno. */
int control_init(struct control *c, struct machine *m, int fd, struct err *e);
void control_fini(struct control *c);

#endif
