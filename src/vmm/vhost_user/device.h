/* SPDX-License-Identifier: MIT */
#ifndef VMM_VHOST_USER_DEVICE_H
#define VMM_VHOST_USER_DEVICE_H

#include "vmm/virtio/device.h"

#include <stdbool.h>
#include <stdint.h>

struct err;
struct vm;

#define VHOST_USER_TAG_MAX 36 /* [bytes] of a shared folder; a whole one has no NUL in the guest */

/* A virtio device whose queues another program serves. */
struct vhost_user_spec {
	const char *name; /* for messages; it outlives the device */
	unsigned number; /* of the device in the description: keeper_lend_backend() */
	bool present; /* else nothing of this counts: usher-vmm serves the device itself */
	unsigned queues; /* for requests; a network card has a pair */
	char tag[VHOST_USER_TAG_MAX]; /* VIRTIO_TYPE_FS */
	uint8_t mac[6]; /* VIRTIO_TYPE_NET */
	uint16_t mtu; /* likewise [bytes]; 0: usher tells the guest nothing */
};

/*
 * Plugs one of @type into the guest, behind a root port of its own. Takes over @fd, a stream socket
 * to the back end. Guest memory is shared (MEMORY_SHARED, MEMORY_POOL).
 * Return: 0; -EOPNOTSUPP the back end cannot do it; -ENOSPC, -ENOMEM, -errno.
 */
int vhost_user_add(struct vm *vm, enum virtio_type type, const struct vhost_user_spec *s, int fd,
	struct err *e);

#endif
