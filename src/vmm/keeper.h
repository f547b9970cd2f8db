/* SPDX-License-Identifier: MIT */
#ifndef VMM_KEEPER_H
#define VMM_KEEPER_H

#include "pci/address.h"

#include <pthread.h>
#include <stdint.h>

/*
 * The process that started this one and owns the lent devices. It holds the VFIO groups, with
 * which every device of a group could be opened; a VMM that its guest takes over must not have
 * them. What needs a group is asked of the keeper here.
 */
struct keeper {
	const struct keeper_ops *ops;
	int fd; /* socket for calls (wire/call.h); -1: there is no keeper */
	pthread_mutex_t lock; /* one call at a time */
	uint32_t id; /* of the last call; under @lock */
};

struct wire_call;

/* The seam for tests. Return: as the call's, with the descriptor of an answer in *@ret_fd or -1. */
struct keeper_ops {
	int (*call)(struct keeper *k, struct wire_call *call, int *ret_fd);
};

/* Takes over @fd; -1: every call fails with -ENOTCONN. */
void keeper_init(struct keeper *k, int fd);
void keeper_fini(struct keeper *k);

/*
 * Resets the bus of @device with all that is on it, and waits for the end of that: up to a second.
 * Context: any thread. Return: 0; -EPERM one of the groups there is not the guest's; -errno of
 * VFIO_DEVICE_PCI_HOT_RESET, or of the connection.
 */
int keeper_reset_bus(struct keeper *k, struct pci_address device);

/* Borrows a VFIO group, for KVM alone. Return: a descriptor to close soon, -errno. */
int keeper_lend_group(struct keeper *k, int group);

/*
 * Connects to the back end of virtio device @number of the description again. Context: any thread
 * that may wait. Return: a socket; -ENODEV nobody starts it again; -errno of connect(2).
 */
int keeper_lend_backend(struct keeper *k, unsigned number);

/*
 * Connects to the socket of the host that is port @port for the guest (virtio-vsock). Context:
 * likewise. Return: a socket; -errno of connect(2).
 */
int keeper_lend_socket(struct keeper *k, uint32_t port);

/* No device of @group is in the guest any more: the keeper closes the group. Return: 0, -errno. */
int keeper_leave_group(struct keeper *k, int group);

#endif
