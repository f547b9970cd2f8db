/* SPDX-License-Identifier: MIT */
#ifndef VMM_VIRTIO_NETS_H
#define VMM_VIRTIO_NETS_H

#include "vmm/lock.h"

#include <stdbool.h>

struct virtio_net;
struct vm;

/* The virtio network cards of a guest, by their place in its description. */
#define VIRTIO_NETS_MAX 16

struct virtio_nets {
	struct lock lock;
	struct virtio_net *of[VIRTIO_NETS_MAX]; /* NULL: no card, or it is gone */
	bool had[VIRTIO_NETS_MAX]; /* there is one, or it is gone */
};

#define VIRTIO_NETS_NONE                       \
	{                                      \
		.lock = LOCK_INIT(LOCK_DISKS), \
	}

/*
 * Pulls the cable of card @n, or plugs it in: the guest's driver learns of it. Return: 0; -EALREADY
 * it is so; -EPIPE nobody is at the line's other end, so the link stays down; -ENODEV the guest has
 * released the card; -ENXIO there never was one. Context: main thread, no lock of a device.
 */
int virtio_net_set_link(struct vm *vm, unsigned n, bool up);

#endif
