/* SPDX-License-Identifier: MIT */
#ifndef VMM_VIRTIO_VSOCK_H
#define VMM_VIRTIO_VSOCK_H

#include <stdint.h>

struct err;
struct vm;

/*
 * virtio-vsock: stream sockets between programs of the guest and of the host, without a network.
 * The host's kernel serves the queues (vhost-vsock); the address of the guest, its CID, is what the
 * keeper has reserved with the descriptor. Ref: virtio 1.2, 5.10.
 */

/*
 * Plugs one into the guest, behind a root port of its own. @fd: /dev/vhost-vsock with the guest's
 * CID, taken over in any case. Return: 0, -ENOSPC, -ENOMEM, -errno.
 */
int virtio_vsock_add(struct vm *vm, int fd, uint64_t cid, struct err *e);

#endif
