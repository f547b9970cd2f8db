/* SPDX-License-Identifier: MIT */
#ifndef VMM_VIRTIO_NET_H
#define VMM_VIRTIO_NET_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct vm;

/*
 * virtio-net: a network card with one pair of queues, at a line (vmm/virtio/net_line.h).
 * Ref: virtio 1.2, 5.1.
 */
struct virtio_net_spec {
	bool stream; /* the line is a stream socket, not a tap */
	bool no_offload; /* the driver is not offered any */
	uint8_t mac[6];
	uint16_t mtu; /* [bytes] that the guest is told; 0: nothing */
};

/*
 * Plugs one into the guest, behind a root port of its own. @fd: of the line, taken over in any
 * case. Return: 0, -ENOSPC, -ENOMEM, -errno.
 */
int virtio_net_add(struct vm *vm, const struct virtio_net_spec *s, int fd, struct err *e);

#endif
