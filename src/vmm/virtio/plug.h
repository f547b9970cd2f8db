/* SPDX-License-Identifier: MIT */
#ifndef VMM_VIRTIO_PLUG_H
#define VMM_VIRTIO_PLUG_H

#include "vmm/virtio/device.h"

struct err;
struct vm;

/* A virtio device to make, as the keeper describes it. */
struct virtio_spec {
	enum virtio_type type;
};

/*
 * Makes the device and plugs it into the guest, behind a root port of its own.
 * Return: 0, -ENOSPC, -ENOMEM, -errno.
 */
int virtio_plug(struct vm *vm, const struct virtio_spec *s, struct err *e);

#endif
