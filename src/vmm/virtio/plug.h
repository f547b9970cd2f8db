/* SPDX-License-Identifier: MIT */
#ifndef VMM_VIRTIO_PLUG_H
#define VMM_VIRTIO_PLUG_H

#include "vmm/vhost_user/device.h"
#include "vmm/virtio/blk.h"
#include "vmm/virtio/blk_ring.h"
#include "vmm/virtio/device.h"
#include "vmm/virtio/net.h"

struct err;
struct vm;

/* A virtio device to make, as the keeper describes it. */
struct virtio_spec {
	enum virtio_type type;
	int fd; /* what it serves, taken over; -1: nothing */
	struct blk_spec disk; /* VIRTIO_TYPE_BLK */
	struct blk_ring ring; /* of it; zero: none */
	struct virtio_net_spec net; /* VIRTIO_TYPE_NET */
	struct vhost_user_spec backend; /* present: @fd is a socket to the one that serves it */
	uint64_t cid; /* VIRTIO_TYPE_VSOCK */
	bool listens; /* likewise: @fd listens; else it is /dev/vhost-vsock */
};

/*
 * Makes what the kernel refuses later, when the wall stands (vmm/wall.h). What this host does not
 * have, the device does without.
 */
void virtio_prepare(struct virtio_spec *s);

/*
 * Makes the device and plugs it into the guest, behind a root port of its own.
 * Return: 0, -ENOSPC, -ENOMEM, -errno.
 */
int virtio_plug(struct vm *vm, const struct virtio_spec *s, struct err *e);

#endif
