/* SPDX-License-Identifier: MIT */
#ifndef VMM_VIRTIO_VSOCK_SOCKET_H
#define VMM_VIRTIO_VSOCK_SOCKET_H

#include <stdint.h>

struct err;
struct vm;

/*
 * virtio-vsock without the host's kernel: usher-vmm serves the queues itself, and the host's end of
 * a connection is a unix socket. A program of the guest that connects to port P of CID 2 reaches
 * the socket at PATH_P; a program of the host connects to PATH, says "CONNECT P" in a line, and
 * reads "OK N". The keeper makes PATH, and connects to PATH_P.
 */

/*
 * Plugs one into the guest, behind a root port of its own. @fd: PATH, which listens and does not
 * block, taken over in any case. @cid: the guest's. Return: 0, -ENOSPC, -ENOMEM, -errno.
 */
int virtio_vsock_socket_add(struct vm *vm, int fd, uint64_t cid, struct err *e);

#endif
