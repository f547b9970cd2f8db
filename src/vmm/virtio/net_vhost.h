/* SPDX-License-Identifier: MIT */
#ifndef VMM_VIRTIO_NET_VHOST_H
#define VMM_VIRTIO_NET_VHOST_H

#include "base/bits.h"
#include "vmm/virtio/queue.h"

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stdint.h>

struct err;

/*
 * vhost-net: a thread of the host's kernel moves frames between a pair of queues and a tap, so that
 * no frame passes this process.
 *
 * How it works. The kernel's thread shares the memory of the process that becomes the owner, so
 * that is this one, although the keeper opens the file. Between start and stop the rings are the
 * kernel's: it reads their memory itself, waits for the doorbells' eventfds, and signals the
 * eventfds of the interrupts. The tables of guest memory are given anew at each start, because RAM
 * does not change while a device runs (vmm/memory.h).
 *
 * Context: one thread at a time. Ref: linux/vhost.h.
 */
struct net_vhost {
	int fd; /* -1: none */
	uint64_t features; /* of rings and headers, which the driver may accept */
	bool running;
};

#define NET_VHOST_NONE ((struct net_vhost){.fd = -1})

/* What the kernel has to know about: a driver may accept what both sides can. */
#define NET_VHOST_FEATURES                                                  \
	(BIT64(VIRTIO_F_VERSION_1) | BIT64(VIRTIO_RING_F_INDIRECT_DESC) |   \
		BIT64(VIRTIO_RING_F_EVENT_IDX) | BIT64(VIRTIO_F_IN_ORDER) | \
		BIT64(VIRTIO_NET_F_MRG_RXBUF))
/* What rings may have, and vhost-net has in no version of the kernel. */
#define NET_VHOST_NEVER (BIT64(VIRTIO_F_RING_PACKED) | BIT64(VIRTIO_F_RING_RESET))

#define NET_VHOST_RINGS 2 /* receive, transmit */

struct net_vhost_rings {
	const struct virtq *queues; /* NET_VHOST_RINGS of them, enabled */
	int kicks[NET_VHOST_RINGS]; /* eventfds: doorbells */
	int calls[NET_VHOST_RINGS]; /* eventfds: interrupts */
	int error; /* an eventfd: the kernel cannot use them */
	int tap; /* -1: no link, and chains wait */
};

/* Takes @fd, of /dev/vhost-net, over in any case. Return: 0, -errno; then @v is NET_VHOST_NONE. */
int net_vhost_init(struct net_vhost *v, int fd, struct err *e);
void net_vhost_fini(struct net_vhost *v);

/*
 * @accepted: features of the driver. Return: 0; -EFAULT a ring is not in RAM; -errno; then nothing
 * runs.
 */
int net_vhost_start(struct net_vhost *v, uint64_t accepted, const struct net_vhost_rings *rings);

/* When it returns, the kernel no longer touches guest memory. */
void net_vhost_stop(struct net_vhost *v);

/* From now on @eventfd is the interrupt of ring @n. */
void net_vhost_set_call(struct net_vhost *v, unsigned n, int eventfd);

/* Connects the rings, which run, to @tap; -1: to nothing, and chains wait. Return: 0, -errno. */
int net_vhost_connect(struct net_vhost *v, int tap);

#endif
