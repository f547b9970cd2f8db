/* SPDX-License-Identifier: MIT */
#ifndef VMM_VIRTIO_CONSOLE_PORTS_H
#define VMM_VIRTIO_CONSOLE_PORTS_H

#include "vmm/virtio/console_control.h"
#include "vmm/virtio/console_peer.h"

#include <stdbool.h>
#include <stddef.h>

struct err;
struct virtio_ports;
struct vm;

/*
 * A virtio console with named ports, which programs of the guest open by their names. Each has a
 * peer on the host, and viewers, who see the last VIEWERS_HISTORY bytes of what the guest has sent.
 * The guest learns when somebody comes to the port, and when the last one leaves.
 */
struct virtio_port_spec {
	char name[CONSOLE_NAME_MAX]; /* in the guest */
	struct console_peer_spec peer;
};

/*
 * Plugs it into the guest, behind a root port of its own. Descriptors are taken over in any case.
 * Return: 0, -ENOSPC, -ENOMEM, -errno.
 */
int virtio_ports_add(struct vm *vm, const struct virtio_port_spec *specs, size_t count,
	struct virtio_ports **ret, struct err *e);

/*
 * Shows port @n on the socket @fd as well, from its history on; what comes from there reaches the
 * guest unless @read_only. Takes over @fd in any case. NULL is a device without ports.
 * Context: main thread. Return: 0, -ENOENT no such port, -EUSERS, -errno.
 */
int virtio_ports_show(struct virtio_ports *v, size_t n, int fd, bool read_only);

#endif
