/* SPDX-License-Identifier: MIT */
#ifndef VMM_VIRTIO_NET_H
#define VMM_VIRTIO_NET_H

#include "vmm/virtio/net_pairs.h"

#include <stdbool.h>
#include <stdint.h>

struct err;
struct vm;

/*
 * virtio-net: a network card at a line (vmm/virtio/net_line.h).
 * Ref: virtio 1.2, 5.1.
 */
struct virtio_net_pair {
	int tap;
	int vhost; /* /dev/vhost-net */
};

struct virtio_net_spec {
	unsigned number; /* of the device: vmm/virtio/nets.h */
	int vhost; /* /dev/vhost-net: the kernel serves the queues; -1: the main thread does */
	unsigned more_count; /* pairs of queues beside the first one; 0 without vhost */
	struct virtio_net_pair more[NET_PAIRS_MAX - 1];
	bool stream; /* the line is a stream socket, not a tap */
	bool no_offload; /* the driver is not offered any */
	bool reaches_host; /* of a stream: frames for the host's loopback may go out */
	uint8_t mac[6];
	uint16_t mtu; /* [bytes] that usher tells the guest; 0: nothing */
};

/*
 * Plugs one into the guest, behind a root port of its own. Takes over @fd, of the line, and all
 * other descriptors. Return: 0, -ENOSPC, -ENOMEM, -errno.
 */
int virtio_net_add(struct vm *vm, const struct virtio_net_spec *s, int fd, struct err *e);

#endif
