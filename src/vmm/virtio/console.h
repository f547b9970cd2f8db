/* SPDX-License-Identifier: MIT */
#ifndef VMM_VIRTIO_CONSOLE_H
#define VMM_VIRTIO_CONSOLE_H

struct console;
struct err;
struct vm;

/*
 * A virtio console of one port: what the guest's kernel calls hvc0. It is the second line of @c,
 * beside the serial port, which the guest has from its first instruction on.
 *
 * It offers no VIRTIO_CONSOLE_F_MULTIPORT. So each driver finds the size of the terminal in the
 * configuration: drivers do not agree on the order of columns and rows in a control message. Ports
 * beside it are a device of their own (vmm/virtio/console_ports.h).
 *
 * Plugs it into the guest, behind a root port of its own. Return: 0, -ENOSPC, -ENOMEM, -errno.
 */
int virtio_console_add(struct vm *vm, struct console *c, struct err *e);

#endif
