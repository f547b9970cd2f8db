/* SPDX-License-Identifier: MIT */
#ifndef VMM_VIRTIO_RNG_H
#define VMM_VIRTIO_RNG_H

struct err;
struct vm;

/*
 * virtio-rng: a guest that starts has little entropy of its own, and asks the host for some.
 * Ref: virtio 1.2, 5.4.
 */

/* Plugs one into the guest, behind a root port of its own. Return: 0, -ENOSPC, -ENOMEM, -errno. */
int virtio_rng_add(struct vm *vm, struct err *e);

#endif
