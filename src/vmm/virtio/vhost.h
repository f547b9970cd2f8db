/* SPDX-License-Identifier: MIT */
#ifndef VMM_VIRTIO_VHOST_H
#define VMM_VIRTIO_VHOST_H

#include "base/bits.h"
#include "vmm/virtio/queue.h"

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stdint.h>

struct err;

/*
 * vhost: a thread of the host's kernel serves queues of a device, so that nothing of them passes
 * this process.
 *
 * How it works. The kernel's thread shares the memory of the process that becomes the owner, so
 * that is this one, although the keeper opens the file. Between start and stop the rings are the
 * kernel's: it reads their memory itself, waits for the doorbells' eventfds, and signals the
 * eventfds of the interrupts. The tables of guest memory are given anew at each start, because RAM
 * does not change while a device runs (vmm/memory.h). What starts and stops a device is its own:
 * vmm/virtio/net_vhost.h, vmm/virtio/vsock.h.
 *
 * Context: one thread at a time. Ref: linux/vhost.h.
 */
struct vhost {
	int fd; /* -1: none */
	uint64_t features; /* which the driver may accept */
};

#define VHOST_NONE ((struct vhost){.fd = -1})
#define VHOST_RINGS_MAX 2

/* What the kernel has to know about rings: a driver may accept what both sides can. */
#define VHOST_RING_FEATURES                                               \
	(BIT64(VIRTIO_F_VERSION_1) | BIT64(VIRTIO_RING_F_INDIRECT_DESC) | \
		BIT64(VIRTIO_RING_F_EVENT_IDX) | BIT64(VIRTIO_F_IN_ORDER))
/* What rings may have, and vhost has in no version of the kernel. */
#define VHOST_NEVER (BIT64(VIRTIO_F_RING_PACKED) | BIT64(VIRTIO_F_RING_RESET))

struct vhost_rings {
	const struct virtq *queues; /* enabled */
	unsigned count;
	int kicks[VHOST_RINGS_MAX]; /* eventfds: doorbells */
	int calls[VHOST_RINGS_MAX]; /* eventfds: interrupts */
	int error; /* an eventfd: the kernel cannot use them */
};

/*
 * Takes @fd over in any case. @known: features of rings and of the device's kind that this process
 * knows. Return: 0, -errno; then @v is VHOST_NONE.
 */
int vhost_init(struct vhost *v, int fd, uint64_t known, const char *name, struct err *e);
void vhost_fini(struct vhost *v);

/*
 * Gives the kernel memory and rings. @accepted: features of the driver. Return: 0; -EFAULT a ring
 * is not in RAM; -errno.
 */
int vhost_set_rings(const struct vhost *v, uint64_t accepted, const struct vhost_rings *rings);

/* From now on @eventfd is the interrupt of ring @n. */
void vhost_set_call(const struct vhost *v, unsigned n, int eventfd);

/* A request of the device's kind. Return: 0, -errno. */
int vhost_call(const struct vhost *v, unsigned long request, const void *arg);

/* One that has a ring and a descriptor. Return: likewise. */
int vhost_set_file(const struct vhost *v, unsigned long request, unsigned n, int fd);

#endif
